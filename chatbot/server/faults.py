"""Faults of the program, told without the values they hold: questions, words of notes, keys."""

import traceback
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def tell(error: BaseException) -> None:
    """Print what kind of error it is and where it was raised; what an error says may quote what was asked."""
    places = "".join(traceback.format_tb(error.__traceback__))
    click.echo(f"A request failed inside askmynotes: {type(error).__name__}\n{places}", err=True)


class ToldWithoutValues:
    """Tells the errors that come out of a request, which the web server would print with all that they say."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # any fault in any part; the client has been answered
            if scope["type"] == "lifespan":
                raise
            tell(error)
