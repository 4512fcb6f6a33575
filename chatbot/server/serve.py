"""The web server: the page, the APIs and the MCP server in one process."""

import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from chatbot.server.guards import LOOPBACK, machine_names
from chatbot.server.users import Users
from knowledge.errors import NotesError
from knowledge.offline import watch

if TYPE_CHECKING:
    from chatbot.service import Service


def serve(service: "Service", host: str, port: int, names: Sequence[str], say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C. `names` are further ones that this machine is called by. Raises NotesError where others could
    ask without a login, and for an address or a port that cannot be used."""
    import uvicorn

    from chatbot.page.texts import TITLE

    watch()
    users = Users(service.settings.home)
    only_loopback = host in LOOPBACK and not names
    if not only_loopback and not users.names():
        raise NotesError(f"{' '.join(names) or host}: others may ask only with a login: `askmynotes users add NAME`")
    listener = _listen(host, port)
    own_names = LOOPBACK if only_loopback else (*LOOPBACK, host, *machine_names(), *names)
    app = application(service, users, own_names, only_loopback)
    threading.Thread(target=service.assistant.warm_up, daemon=True, name="warm-up").start()
    # who asks is told by the connection, never by a header that anybody can write
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, proxy_headers=False
    )
    shown = machine_names()[0] if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    say(f"{TITLE}: http://{shown}:{port}  (Ctrl-C stops it)")
    server = uvicorn.Server(config)
    # that an open page is cut off at the end is no fault
    logging.getLogger("uvicorn.error").addFilter(lambda record: not server.should_exit)
    with listener, suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def application(service: "Service", users: Users, own_names: Sequence[str], only_loopback: bool) -> Any:
    """The page at `/`, the APIs below `/api` and `/v1`, their description at `/api/docs`, which loads nothing from
    elsewhere, and the MCP server at `/mcp`."""
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError
    from fastapi_offline import FastAPIOffline
    from starlette.exceptions import HTTPException

    from chatbot.page.layout import mount_page
    from chatbot.page.texts import TITLE
    from chatbot.server import api, dropped, mcp, openai_api
    from chatbot.server.conversation import Conversations
    from chatbot.server.faults import ToldWithoutValues
    from chatbot.server.guards import OwnNamesOnly, PageFilesOnly
    from chatbot.server.login import LoginRequired

    conversations = Conversations(service.assistant)
    tools = mcp.server(service.assistant, service.store)
    # streamed and with sessions: only so does it see that a client leaves, or one of before 2026 cancels
    tools_app = tools.streamable_http_app(streamable_http_path="/", host="")

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
        responses={401: {"description": "There are users, and no key or password of one was sent"}},
    )
    server.add_exception_handler(HTTPException, openai_api.refuse)
    server.add_exception_handler(RequestValidationError, api.refuse_invalid)
    # the last one is asked first
    server.add_middleware(PageFilesOnly, folder=service.settings.home / "gradio")
    server.add_middleware(LoginRequired, users=users, only_loopback=only_loopback)
    server.add_middleware(api.Measured)
    server.add_middleware(OwnNamesOnly, names=own_names)
    server.include_router(api.router(conversations, service))
    server.include_router(openai_api.router(conversations, service.store))
    server.include_router(dropped.router(service))
    server.mount("/mcp", tools_app)
    return ToldWithoutValues(mount_page(server, service))


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)  # from here on a browser waits instead of being refused
    except OSError as error:
        listener.close()
        what = f"{host}, port {port} cannot be used ({error.strerror})"
        raise NotesError(f"{what}: choose another with --host or --port") from error
    return listener
