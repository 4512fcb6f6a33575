"""Faults of the program, told without the values they hold: questions, words of notes, keys."""

import logging
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_log = logging.getLogger(__name__)


def tell(error: BaseException) -> None:
    """Log what kind of error it is and where it was raised; what an error says may quote what was asked."""
    places = "".join(traceback.format_tb(error.__traceback__))
    _log.error("A request failed inside askmynotes: %s\n%s", type(error).__name__, places)


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
