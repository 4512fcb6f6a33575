"""What is refused before the page or an API sees it, whoever asks."""

import ipaddress
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketClose

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Gradio's routes that serve files, and those that would fetch from elsewhere
_FILES = ("/gradio_api/file=", "/gradio_api/file/")
_PROXY = "/gradio_api/proxy="


def machine_names() -> tuple[str, ...]:
    """What others on the network may call this machine."""
    name = socket.gethostname().lower().removesuffix(".local")
    return name, f"{name}.local"


class OwnNamesOnly:
    """Refuses requests that name another host (DNS rebinding), and those that a page of another origin sends. Nor may
    such a page show this one in a frame, where people click on what they do not see."""

    def __init__(self, app: "ASGIApp", names: Iterable[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] in ("http", "websocket") and not self._is_own(scope):
            if scope["type"] == "websocket":
                await WebSocketClose(1008)(scope, receive, send)
            else:
                refusal = "This server answers only to its own name, and to no page of another site."
                await PlainTextResponse(refusal, 403)(scope, receive, send)
            return

        async def unframed(message: "Message") -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Frame-Options"] = "DENY"
            await send(message)

        await self._app(scope, receive, unframed)

    def _is_own(self, scope: "Scope") -> bool:
        """Whether a request names this machine, and comes from no page, or from one that this server sent."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        try:
            named = urlsplit(f"//{host}").hostname or ""
            is_named = named in self._names or _address(named) == _address((scope["server"] or ("",))[0])
        except ValueError:
            return False
        return is_named and (origin is None or urlsplit(origin).netloc == host)


def _address(text: str) -> str:
    """An IP address in its one form. Raises ValueError for anything else."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


class PageFilesOnly:
    """Refuses all files but those that the page itself put into its folder, and all addresses: Gradio would fetch them
    for whoever asks."""

    def __init__(self, app: "ASGIApp", folder: Path) -> None:
        self._app = app
        self._folder = folder.resolve()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "http" and not self._is_of_the_page(scope["path"]):
            await PlainTextResponse("There is no such file.", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_of_the_page(self, path: str) -> bool:
        if path.startswith(_PROXY):
            return False
        route = next(filter(path.startswith, _FILES), None)
        if route is None:
            return True
        try:
            return Path(os.path.realpath(path.removeprefix(route))).is_relative_to(self._folder)
        except ValueError:  # no system has such a name
            return False
