"""Web servers on loopback that behave, or misbehave, as a test wants."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest


@dataclass
class Request:
    """A request as it arrived; the names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    started: float = field(default_factory=time.monotonic)


#: Answers a request by writing to its connection, which is closed afterwards.
Behaviour = Callable[[Request, socket.socket], None]


class WebServer:
    """Serves `routes` on a free port of 127.0.0.1; a path that is not among them answers 404.

    `requests` lists what arrived, `robots_requests` what was for robots.txt.
    """

    def __init__(self, routes: dict[str, Behaviour], certificate: tuple[str, str] | None = None) -> None:
        self.routes = routes
        self.requests: list[Request] = []
        self.robots_requests: list[Request] = []
        self.connections = 0
        self._scheme = "http"
        self._tls: ssl.SSLContext | None = None
        if certificate:
            self._scheme = "https"
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def __enter__(self) -> "WebServer":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            request = _read_request(connection)
            if request:
                (self.robots_requests if request.path == "/robots.txt" else self.requests).append(request)
                self.routes.get(request.path, page("not here", status=404))(request, connection)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        connection.close()


def _read_request(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
        if data.startswith(b"\x16"):  # somebody wants to encrypt
            return None
    first, *lines = data.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(first.split(" ")[1], headers)


# -- behaviours ----------------------------------------------------------------------------------------------------


def head(status: int = 200, *headers: str, version: str = "1.1") -> bytes:
    """The first lines of an answer, up to the body."""
    return "\r\n".join([f"HTTP/{version} {status} Whatever", *headers, "", ""]).encode("latin-1")


def page(
    body: str | bytes, type: str = "text/html; charset=utf-8", status: int = 200, *headers: str, pause: float = 0.0
) -> Behaviour:
    """A whole page, sent after a pause; an empty type is not sent."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"Content-Length: {len(data)}", *([f"Content-Type: {type}"] if type else []), *headers]

    def answer(request: Request, connection: socket.socket) -> None:
        time.sleep(pause)
        connection.sendall(head(status, *lines) + data)

    return answer


def redirect(to: str, status: int = 302) -> Behaviour:
    return page("", "text/html", status, f"Location: {to}")


def robots(text: str) -> Behaviour:
    return page(text, "text/plain")


def raw(data: bytes) -> Behaviour:
    """Exactly these bytes, then the connection is closed."""
    return lambda request, connection: connection.sendall(data)


def trickle(start: bytes, more: bytes, pause: float) -> Behaviour:
    """`start` at once, then `more` again and again with pauses, for as long as the client stays."""

    def answer(request: Request, connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            time.sleep(pause)
            connection.sendall(more)

    return answer


class SlowPage:
    """A page that takes its time, and counts how many wait for it at once."""

    def __init__(self, seconds: float) -> None:
        self.most_at_once = 0
        self._at_once = 0
        self._seconds = seconds
        self._lock = threading.Lock()

    def __call__(self, request: Request, connection: socket.socket) -> None:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        time.sleep(self._seconds)
        with self._lock:  # before the client can know that it has the page
            self._at_once -= 1
        page("slow")(request, connection)


def silence(seconds: float) -> Behaviour:
    """Not a word for this long."""
    return lambda request, connection: time.sleep(seconds)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """The first request gets the first behaviour, and so on; the last one stays."""
    left = list(behaviours)
    return lambda request, connection: (left.pop(0) if len(left) > 1 else left[0])(request, connection)


def conditional(etag: str, body: str) -> Behaviour:
    """A page that is not sent to a client that has it."""

    def answer(request: Request, connection: socket.socket) -> None:
        known = request.headers.get("if-none-match") == etag
        connection.sendall(head(304) if known else b"")
        if not known:
            page(body, "text/html", 200, f"ETag: {etag}")(request, connection)

    return answer


def self_signed(folder, name: str) -> tuple[str, str]:
    """Certificate and key for a host, trusted by nobody; skips the test where no openssl makes one."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    certificate, key = str(folder / f"{name}.pem"), str(folder / f"{name}.key")
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key
