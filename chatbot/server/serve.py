"""The web server: the page, the APIs and the MCP server in one process, for this machine's own names only."""

import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from knowledge.errors import NotesError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from chatbot.service import Service

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    service: "Service",
    host: str,
    port: int,
    say: Callable[[str], None],
) -> None:
    """Serve until Ctrl-C. Raises NotesError for an address of another machine or a port that is taken."""
    import uvicorn

    from chatbot.page.texts import TITLE

    listener = _listen(host, port)
    app = application(service)
    threading.Thread(target=service.assistant.warm_up, daemon=True, name="warm-up").start()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1))
    shown = f"[{host}]" if ":" in host else host
    say(f"{TITLE}: http://{shown}:{port}  (Ctrl-C stops it)")
    with listener:
        server.run(sockets=[listener])


def application(service: "Service") -> Any:
    """The page at `/`, the APIs below `/api` and `/v1`, their description at `/api/docs`, which loads nothing from
    elsewhere, and the MCP server at `/mcp`."""
    from fastapi import FastAPI
    from fastapi_offline import FastAPIOffline

    from chatbot.page.layout import mount_page
    from chatbot.page.texts import TITLE
    from chatbot.server import api, mcp, openai_api
    from chatbot.server.conversation import Conversations

    conversations = Conversations(service.assistant)
    tools = mcp.server(service.assistant, service.store)
    tools_app = tools.streamable_http_app(streamable_http_path="/", stateless_http=True, json_response=True)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        async with tools.session_manager.run():
            yield

    server = FastAPIOffline(
        title="askmynotes",
        summary=TITLE,
        version=api.VERSION,
        lifespan=running,
        docs_url="/api/docs",
        redoc_url=None,
        static_url="/api/docs/files",
    )
    server.add_middleware(api.Measured)
    server.add_middleware(OwnNamesOnly)
    server.include_router(api.router(conversations, service))
    server.include_router(openai_api.router(conversations, service.store))
    server.mount("/mcp", tools_app)
    return mount_page(server, service)


class OwnNamesOnly:
    """Refuses requests that name another host (DNS rebinding), and those that a page of another origin sends."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        from starlette.datastructures import Headers
        from starlette.responses import PlainTextResponse
        from starlette.websockets import WebSocketClose

        if scope["type"] in ("http", "websocket") and not _is_own(Headers(scope=scope)):
            if scope["type"] == "websocket":
                await WebSocketClose(1008)(scope, receive, send)
            else:
                refusal = "This server answers only to its own name, and to no page of another site."
                await PlainTextResponse(refusal, 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_own(headers: Any) -> bool:
    """Whether a request names this machine, and comes from no page, or from one that this server sent."""
    host, origin = headers.get("host", ""), headers.get("origin")
    try:
        named = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return named in LOOPBACK and (origin is None or urlsplit(origin).netloc == host)


def _listen(host: str, port: int) -> socket.socket:
    if host not in LOOPBACK:
        raise NotesError(f"{host}: there is no login, so this machine only is served: use --host 127.0.0.1")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)  # from here on a browser waits instead of being refused
    except OSError as error:
        listener.close()
        raise NotesError(f"port {port} cannot be used ({error.strerror}): choose another with --port") from error
    return listener
