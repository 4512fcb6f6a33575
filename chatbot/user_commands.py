"""`askmynotes users`: who may log in."""

import sys
from typing import TYPE_CHECKING

import click

from knowledge.command import home_option, settings

if TYPE_CHECKING:
    from chatbot.server.users import Users

_password_option = click.option(
    "--password-stdin",
    "from_stdin",
    is_flag=True,
    help="Read the password from standard input, up to the end of the line.",
)


@click.group()
@home_option
def users() -> None:
    """Name who may log in to `askmynotes serve`. While there are users, everybody needs a login."""


@users.command("add")
@click.argument("name")
@_password_option
@home_option
def add(name: str, from_stdin: bool) -> None:
    """Add a user; asks for the password twice."""
    click.echo(f"{_users().add(name, _password(from_stdin))} may log in.")


@users.command("password")
@click.argument("name")
@_password_option
@home_option
def password(name: str, from_stdin: bool) -> None:
    """Give a user a new password; where they are logged in, they are logged out."""
    _users().set_password(name, _password(from_stdin))
    click.echo("The password is changed.")


@users.command("list")
@home_option
def list_users() -> None:
    """List the names."""
    for name in _users().names():
        click.echo(name)


@users.command("remove")
@click.argument("name")
@click.confirmation_option(prompt="This removes the user's conversations too. Go on?")
@home_option
def remove(name: str) -> None:
    """Remove a user with their conversations."""
    from contextlib import closing

    from knowledge.history import History

    removed = _users().remove(name)
    with closing(History(settings().home)) as history:
        history.forget(removed)
    click.echo(f"{removed} is removed.")


@users.command("key")
@click.argument("name")
@home_option
def key(name: str) -> None:
    """Print a key for a user's programs, in the place of the one before. It is shown this once."""
    click.echo(_users().new_key(name))


def _users() -> "Users":
    from chatbot.server.users import Users

    users = Users(settings().home)
    click.get_current_context().call_on_close(users.close)
    return users


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return click.prompt("Password", hide_input=True, confirmation_prompt="The same again")
