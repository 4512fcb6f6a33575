"""What all commands share: where the home folder is, and how a failure is told."""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from knowledge.errors import NotesError
from knowledge.settings import Settings, load_settings

if TYPE_CHECKING:
    from knowledge.store import Store


class Commands(click.Group):
    """Suggests the command that was meant, and tells failures in one line."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], known, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]!r}?" if close else f" Commands are {', '.join(known)}."
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NotesError as error:
            raise click.ClickException(str(error)) from error


def _set_home(ctx: click.Context, parameter: click.Parameter, home: Path | None) -> None:
    if home is not None:
        ctx.find_root().obj = home


home_option = click.option(
    "--home",
    type=click.Path(path_type=Path),
    metavar="DIR",
    expose_value=False,
    is_eager=True,
    callback=_set_home,
    help="Where the index, the models and the settings are kept.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")


def settings() -> Settings:
    """The settings of the home folder that the running command was given."""
    return load_settings(click.get_current_context().find_root().obj)


def open_store() -> "Store":
    """The store of the running command, which is closed when it ends."""
    from knowledge.store import Store

    store = Store(settings())
    click.get_current_context().call_on_close(store.close)
    return store
