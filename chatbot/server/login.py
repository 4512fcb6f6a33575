"""The login: a form and a session cookie for people; a key, or name and password, with every request of a program."""

import asyncio
import base64
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.websockets import WebSocketClose

from chatbot.page import texts
from chatbot.server.attempts import Attempts, network
from chatbot.server.openai_api import refusal
from chatbot.server.users import Users, normal_name

if TYPE_CHECKING:
    from jinja2 import Template
    from starlette.types import ASGIApp, Receive, Scope, Send

SESSION_SECONDS = 7 * 24 * 3600
_LARGEST_FORM = 8192
_OPEN = ("/healthz",)
# nothing but the form and its own style: no script, no frame around it, no other place that it is sent to
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'"
_NEEDED = "a login is needed: send a key (`askmynotes users key NAME`) as `Authorization: Bearer KEY`"


@dataclass(frozen=True)
class _Session:
    user: str
    password_record: str
    ends: float


class _TooMany(Exception):
    """Too many failed attempts; holds the seconds to wait."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds


class Sessions:
    """Who is logged in, by the token in their cookie. A new password ends them, and so does a restart."""

    def __init__(self, users: Users, clock: Callable[[], float] = time.monotonic) -> None:
        self._users = users
        self._clock = clock
        self._sessions: dict[str, _Session] = {}

    def begin(self, user: str) -> str | None:
        """The token of a new session; none where the user has just been removed."""
        now = self._clock()
        self._sessions = {token: session for token, session in self._sessions.items() if session.ends > now}
        record = self._users.password_record(user)
        if record is None:
            return None
        token = secrets.token_urlsafe(32)
        self._sessions[token] = _Session(user, record, now + SESSION_SECONDS)
        return token

    def user(self, token: str) -> str | None:
        session = self._sessions.get(token)
        if session is None or session.ends <= self._clock():
            return None
        return session.user if self._users.password_record(session.user) == session.password_record else None

    def end(self, token: str) -> None:
        self._sessions.pop(token, None)


class LoginRequired:
    """Lets only those in who are logged in, and tells the rest of the server who that is (`request.state.user`). On
    loopback, while there are no users, it lets everybody in, as the user without a name."""

    def __init__(self, app: "ASGIApp", users: Users, only_loopback: bool) -> None:
        self._app = app
        self._users = users
        self._only_loopback = only_loopback
        self._sessions = Sessions(users)
        self._attempts = Attempts()
        self._checking = asyncio.Lock()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        answered: Response | WebSocketClose | None
        if self._only_loopback and not self._users.names():
            connection.state.user, answered = "", None
        elif scope["type"] == "http" and scope["path"] in ("/login", "/logout"):
            answered = await self._login_or_out(Request(scope, receive))
        else:
            answered = await self._admitted(connection)
        await (answered or self._app)(scope, receive, send)

    async def _admitted(self, connection: HTTPConnection) -> Response | WebSocketClose | None:
        """Note who asks; the refusal where nobody is known by what was sent."""
        try:
            connection.state.user = await self._user(connection)
        except _TooMany as error:
            return _refusal(connection, 429, texts.wait(error.seconds), {"Retry-After": str(error.seconds)})
        if connection.state.user is not None or connection.scope["path"] in _OPEN:
            return None
        if connection.scope["type"] == "websocket":
            return WebSocketClose(1008)
        if connection.scope["method"] in ("GET", "HEAD") and "text/html" in connection.headers.get("accept", ""):
            query = connection.scope["query_string"].decode("latin-1")
            wanted = connection.scope["path"] + (f"?{query}" if query else "")
            return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
        message = texts.LOGGED_OUT if connection.scope["path"].startswith("/gradio_api/") else _NEEDED
        return _refusal(connection, 401, message, {"WWW-Authenticate": "Bearer"})

    async def _user(self, connection: HTTPConnection) -> str | None:
        """Who sent a request, by their key, by name and password, or by the session's cookie."""
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._users.holder(given.strip())
        if scheme.lower() == "basic":
            return await self._checked(*_basic(given), connection)
        return self._sessions.user(connection.cookies.get(_cookie(connection), ""))

    async def _checked(self, name: str, password: str, connection: HTTPConnection) -> str | None:
        """Whose password this is, if anybody's. One is checked at a time, so that attempts sent at once are counted
        too, and take no more memory than one. Raises _TooMany."""
        by_name, by_address = f"name {normal_name(name)}", network(connection.client.host if connection.client else "")
        async with self._checking:
            if seconds := self._attempts.wait(by_name, by_address):
                raise _TooMany(seconds)
            user = await run_in_threadpool(self._users.check, name, password)
            if user is None:
                self._attempts.failed(by_name, by_address)
            else:
                self._attempts.succeeded(by_name)
            return user

    async def _login_or_out(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._login(request) if request.scope["path"] == "/login" else self._logout(request)
        wanted = _own_place(request.query_params.get("next", "/"))
        if self._sessions.user(request.cookies.get(_cookie(request), "")):
            return RedirectResponse(wanted, 303)
        return _form(wanted)

    async def _login(self, request: Request) -> Response:
        sent = await _fields(request)
        name, password, wanted = sent.get("name", ""), sent.get("password", ""), _own_place(sent.get("next", "/"))
        if not name or not password:
            return _form(wanted, name, texts.MISSING, 400)
        try:
            user = await self._checked(name, password, request)
        except _TooMany as error:
            return _form(wanted, name, texts.wait(error.seconds), 429, {"Retry-After": str(error.seconds)})
        token = self._sessions.begin(user) if user else None
        if token is None:
            return _form(wanted, name, texts.WRONG, 401)
        answered = RedirectResponse(wanted, 303)
        # the server speaks http alone; that a proxy before it speaks https is told by the page the form was sent from
        secure = urlsplit(request.headers.get("origin", "")).scheme == "https"
        answered.set_cookie(
            _cookie(request), token, max_age=SESSION_SECONDS, httponly=True, samesite="strict", secure=secure
        )
        return answered

    def _logout(self, request: Request) -> Response:
        self._sessions.end(request.cookies.get(_cookie(request), ""))
        answered = RedirectResponse("/login", 303)
        answered.delete_cookie(_cookie(request), httponly=True, samesite="strict")
        return answered


def _cookie(connection: HTTPConnection) -> str:
    """The name of the session's cookie: browsers keep those of all servers of a machine together."""
    return f"askmynotes-{(connection.scope.get('server') or ('', 0))[1]}"


def _own_place(wanted: str) -> str:
    """Where to go after the login: a path of this server, whatever was asked for. Browsers read `//` and `/\\` as
    another server's address, and overlook blanks."""
    return wanted if re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", wanted) else "/"


def _basic(given: str) -> tuple[str, str]:
    """Name and password of HTTP Basic; empty where they cannot be read."""
    try:
        name, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return name, password


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a form; none where it is larger than a login can be."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_FORM:
            return {}
    try:
        return {key: values[0] for key, values in parse_qs(body.decode(), max_num_fields=8).items()}
    except ValueError:
        return {}


def _form(
    wanted: str, name: str = "", problem: str = "", status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    page = _template().render(texts=texts, wanted=wanted, name=name, problem=problem)
    own = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return HTMLResponse(page, status, {**own, **(headers or {})})


def _refusal(connection: HTTPConnection, status: int, message: str, headers: Mapping[str, str]) -> Response:
    answered = refusal(connection.scope["path"], status, message)
    answered.headers.update(headers)
    return answered


@cache
def _template() -> "Template":
    from jinja2 import Environment

    text = Path(__file__).with_name("login.html").read_text(encoding="utf-8")
    return Environment(autoescape=True).from_string(text)
