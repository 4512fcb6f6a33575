"""Fetch a page from the web: guarded, within limits, and politely.

Knows nothing of what a page says: bytes come out as the server sent them, decompressed. Each request has a connection
of its own (`ingest.guard`). Many threads may fetch at once; one that waits for its host keeps no other waiting, but
does nothing else meanwhile, so a run wants more threads than it has slow hosts.
"""

import codecs
import http
import io
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpcore

from ingest.addresses import Address, Refused, parse
from ingest.guard import Cancelled, Connect, FetchFailed, Guard, Resolve
from ingest.pages import FOUND, Page

if TYPE_CHECKING:
    from protego import Protego


class _BrokenOff(Exception):
    """An exchange that failed in a way that may not repeat itself; the message is the reason."""


@dataclass(frozen=True)
class Limits:
    """How long (seconds) and how much (bytes) a fetch may take, and how hosts are spared."""

    connect: float = 10.0  # to look up the host, to connect to it, and to agree on encryption
    read: float = 20.0  # between two bytes
    total: float = 60.0  # one request, however its bytes trickle
    body: int = 32 * 2**20  # decompressed
    spacing: float = 0.3  # between the starts of two requests to one public host
    pauses: tuple[float, ...] = (0.5, 1.0)  # before each further try
    longest_wait: float = 30.0  # that a busy server may ask for
    longest_crawl_delay: float = 10.0


@dataclass(frozen=True)
class NotModified:
    """The page is what it was when its validators were kept."""

    url: str
    final_url: str


#: Takes the body of a page and gives the address that it sends its readers on to, if any.
Refresh = Callable[[bytes], str | None]
_ReadBody = Callable[[Page, Iterator[bytes]], bytes]

_MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LONGEST_ROBOTS = 500_000  # bytes
_HTML = frozenset({"text/html", "application/xhtml+xml"})


class Fetcher:
    """Fetches pages for many threads at once.

    `allow_private` names hosts ("localhost", "localhost:8000") that may be on a private network. `resolve` and
    `connect` are the only ways to the network.
    """

    def __init__(
        self,
        allow_private: frozenset[str] = frozenset(),
        user_agent: str = "",
        limits: Limits = Limits(),  # noqa: B008  frozen
        resolve: Resolve = socket.getaddrinfo,
        connect: Connect = socket.create_connection,
    ) -> None:
        self._guard = Guard(allow_private, limits.connect, resolve, connect)
        self._user_agent = user_agent or _user_agent()
        self._limits = limits
        self._turns = _Turns(self._guard.cancelled)
        self._lock = threading.Lock()
        self._robots: dict[tuple[str, str, int], _Robots] = {}

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(self, *exception: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """End every running and waiting fetch with Cancelled, and every later one."""
        self._guard.cancel()
        self._turns.wake()

    def fetch(
        self, url: str, etag: str = "", last_modified: str = "", refresh: Refresh | None = None
    ) -> Page | NotModified:
        """The page at `url`, redirects followed; NotModified where the validators say so.

        Raises FetchFailed and Cancelled.
        """
        validators = [("If-None-Match", etag), ("If-Modified-Since", last_modified)]
        headers = [(name, value) for name, value in validators if value]
        try:
            response = self._follow(_parsed(url), headers, self._read_page, self._ask_robots, refresh)
        except FetchFailed:
            self._guard.stop_if_cancelled()  # which is why it failed
            raise
        if response.status == 304 and headers:
            return NotModified(url, response.final_url)
        if response.status not in FOUND:
            raise _failure_of(response.status)
        return replace(response, url=url)

    # -- following redirects, politely ------------------------------------------------------------------------------

    def _follow(
        self,
        address: Address,
        headers: list[tuple[str, str]],
        read: _ReadBody,
        before: Callable[[Address], None],
        refresh: Refresh | None = None,
    ) -> Page:
        """The answer where the redirects end; `before` is called for each address on the way."""
        for _ in range(_MOST_REDIRECTS + 1):
            before(address)
            response = self._ask(address, headers, read)
            target = _sent_on_to(response, refresh)
            if target is None:
                return response
            onward = _joined(address, target)
            if onward == address and response.status in FOUND:  # a page that reloads itself
                return response
            address = onward
        raise FetchFailed("refused", f"more than {_MOST_REDIRECTS} redirects")

    def _ask(self, address: Address, headers: list[tuple[str, str]], read: _ReadBody) -> Page:
        """One answer, asked for again where the server is busy or the exchange breaks off."""
        spacing = 0.0 if self._guard.allows(address) else self._limits.spacing
        for pause in (*self._limits.pauses, None):
            try:
                with self._turns.take(address.host, spacing):
                    response = self._exchange(address, headers, read)
            except _BrokenOff as broken:
                if pause is None:
                    raise FetchFailed("refused", f"{broken}; try again later") from broken
            else:
                if pause is None or not (response.status == 429 or response.status >= 500):
                    break
                pause = self._wait_asked_for(response, pause)
            self._turns.hold(address.host, pause)
        return response

    def _wait_asked_for(self, response: Page, usual: float) -> float:
        """Seconds until a busy server wants to be asked again."""
        seconds = _retry_after(response.header("Retry-After")) if response.status in (429, 503) else None
        if seconds is None:
            return usual
        if seconds > self._limits.longest_wait:
            again = datetime.fromtimestamp(time.time() + seconds, UTC)
            raise FetchFailed("refused", f"the server is busy; it asks to come back after {again:%Y-%m-%d %H:%M} UTC")
        return seconds

    def _ask_robots(self, address: Address) -> None:
        """Raise FetchFailed unless the site lets robots read this address. Each site is asked for its rules once."""
        origin = (address.scheme, address.host, address.port)
        with self._lock:
            robots = self._robots.setdefault(origin, _Robots())
        with robots.lock:
            if robots.verdict is None:
                robots.verdict = self._read_robots(address)
        if isinstance(robots.verdict, FetchFailed):
            raise FetchFailed(robots.verdict.state, robots.verdict.reason)
        if not robots.verdict.can_fetch(str(address), self._robot_name):
            raise FetchFailed("blocked by robots", "the site asks robots not to read this page (robots.txt)")

    def _read_robots(self, address: Address) -> "Protego | FetchFailed":
        """A site's rules, or why none of its pages can be had; one that does not answer fails as a page does."""
        from protego import Protego

        unreadable = "the site's robots.txt, which says what may be read, could not be read"
        try:
            response = self._follow(replace(address, target="/robots.txt"), [], _start, lambda address: None)
        except FetchFailed as failure:
            if failure.state in ("too large", "wrong type"):
                return FetchFailed("blocked by robots", f"{unreadable}: {failure.reason}")
            return failure
        if response.status >= 500:
            return FetchFailed("blocked by robots", f"{unreadable}: the server answered {response.status}")
        rules = Protego.parse(_rules_for(self._robot_name, response.body.decode("utf-8-sig", "replace")))
        delay = min(rules.crawl_delay(self._robot_name) or 0.0, self._limits.longest_crawl_delay)
        self._turns.space(address.host, delay)
        return rules

    @cached_property
    def _robot_name(self) -> str:
        return self._user_agent.partition("/")[0].lower()

    # -- one exchange -----------------------------------------------------------------------------------------------

    def _exchange(self, address: Address, headers: list[tuple[str, str]], read: _ReadBody) -> Page:
        """Ask once. Raises FetchFailed, or _BrokenOff where another try may help."""
        deadline = time.monotonic() + self._limits.total
        response = None
        try:
            with self._guard.connected(address, deadline) as stream:
                connection = httpcore.HTTP11Connection(_url(address).origin, stream)
                answer = connection.handle_request(self._request(address, headers))
                response = _head(address, answer)
                if response.status not in FOUND:
                    return response
                pieces = _decompressed(answer.iter_stream(), response)
                return replace(response, body=read(response, pieces))
        except TimeoutError as error:
            raise FetchFailed("timed out", self._what_took_long(deadline)) from error
        except (OSError, httpcore.ProtocolError) as error:
            self._guard.stop_if_cancelled()
            raise _why(error, response, address) from error

    def _request(self, address: Address, headers: list[tuple[str, str]]) -> httpcore.Request:
        sent = [
            ("Host", address.authority),
            ("User-Agent", self._user_agent),
            ("Accept", "text/html, application/xhtml+xml, text/*, application/pdf, */*;q=0.5"),
            ("Accept-Encoding", "gzip, deflate"),
            ("Connection", "close"),
            *headers,
        ]
        return httpcore.Request(
            b"GET",
            _url(address),
            headers=[(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in sent],
            extensions={"timeout": {"read": self._limits.read, "write": self._limits.read}},
        )

    def _what_took_long(self, deadline: float) -> str:
        if time.monotonic() >= deadline:
            return f"the page did not arrive within {self._limits.total:g} seconds"
        return f"the server sent nothing for {self._limits.read:g} seconds"

    def _read_page(self, head: Page, pieces: Iterator[bytes]) -> bytes:
        """The body of a page. Raises FetchFailed as soon as it turns out too large, or not to be text."""
        _refuse_type_without_text(head.content_type)
        too_large = FetchFailed("too large", f"the page is larger than {self._limits.body / 2**20:g} MB")
        if int(head.header("Content-Length") or 0) > self._limits.body:
            raise too_large
        untold = head.content_type in _TELLS_NOTHING
        body = io.BytesIO()  # gives its bytes without a second copy of them
        for piece in pieces:
            body.write(piece)
            if body.tell() > self._limits.body:
                raise too_large
            if untold and body.tell() >= _TELLING:
                _refuse_start_without_text(body.getvalue()[:_TELLING])
                untold = False
        if untold:
            _refuse_start_without_text(body.getvalue())
        return body.getvalue()


@dataclass
class _Robots:
    """What a site lets robots read, once it has been asked."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    verdict: "Protego | FetchFailed | None" = None


# -- taking turns --------------------------------------------------------------------------------------------------


@dataclass
class _Host:
    running: int = 0
    next_start: float = 0.0
    spacing: float = 0.0


class _Turns:
    """Lets two requests at most run on one host, and starts them no closer together than the host wants."""

    _AT_ONCE = 2

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled
        self._changed = threading.Condition()
        self._hosts: dict[str, _Host] = {}

    @contextmanager
    def take(self, name: str, spacing: float) -> Iterator[None]:
        """Wait for a turn and hold it. Raises Cancelled."""
        with self._changed:
            host = self._hosts.setdefault(name, _Host())
            self._wait_for(host)
            host.running += 1
            host.next_start = time.monotonic() + max(spacing, host.spacing)
        try:
            yield
        finally:
            with self._changed:
                host.running -= 1
                self._changed.notify_all()

    def _wait_for(self, host: _Host) -> None:
        while not self._cancelled.is_set():
            left = host.next_start - time.monotonic()
            if host.running < self._AT_ONCE and left <= 0:
                return
            self._changed.wait(left if host.running < self._AT_ONCE else None)
        raise Cancelled

    def hold(self, name: str, seconds: float) -> None:
        """Start nothing on a host for a while."""
        with self._changed:
            host = self._hosts[name]
            host.next_start = max(host.next_start, time.monotonic() + seconds)

    def space(self, name: str, seconds: float) -> None:
        """Start requests on a host no closer together than this from now on."""
        with self._changed:
            host = self._hosts[name]
            host.spacing = max(host.spacing, seconds)
            host.next_start = max(host.next_start, time.monotonic() + seconds)

    def wake(self) -> None:
        """Have every waiting thread look again."""
        with self._changed:
            self._changed.notify_all()


# -- addresses and answers -----------------------------------------------------------------------------------------


def _user_agent() -> str:
    from importlib.metadata import version

    return f"askmynotes/{version('askmynotes')} (keeps an offline copy for one person's notes)"


def _parsed(url: str) -> Address:
    try:
        return parse(url)
    except Refused as error:
        raise FetchFailed("refused", str(error)) from error


def _joined(address: Address, target: str) -> Address:
    """Where a redirect leads."""
    try:
        return parse(urljoin(str(address), target.strip()))
    except (Refused, ValueError) as error:
        reason = str(error) if isinstance(error, Refused) else "the address cannot be read"
        raise FetchFailed("refused", f"the page redirects to where nothing is fetched: {reason}") from error


def _url(address: Address) -> httpcore.URL:
    return httpcore.URL(
        scheme=address.scheme.encode(),
        host=address.host.encode(),
        port=address.port,
        target=address.target.encode(),
    )


def _head(address: Address, answer: httpcore.Response) -> Page:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers)
    response = Page(str(address), str(address), status=answer.status, headers=headers, fetched_at=_now())
    declared = response.header("Content-Type")
    charset = re.search(r";\s*charset\s*=\s*[\"']?([^\s\"';,]+)", declared, re.IGNORECASE)
    return replace(
        response,
        content_type=re.split("[;,]", declared)[0].strip().lower(),
        charset=charset.group(1).lower() if charset else None,
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sent_on_to(response: Page, refresh: Refresh | None) -> str | None:
    if response.status in _REDIRECTS:
        target = response.header("Location").encode("latin-1")
        return _text_of(target) or None
    if refresh and response.status in FOUND and response.content_type in (*_HTML, ""):
        return refresh(response.body)
    return None


def _text_of(header: bytes) -> str:
    try:
        return header.decode()
    except UnicodeDecodeError:
        return header.decode("latin-1")


def _failure_of(status: int) -> FetchFailed:
    try:
        answered = f"the server answered {status} ({http.HTTPStatus(status).phrase})"
    except ValueError:
        answered = f"the server answered {status}"
    if status in (404, 410):
        return FetchFailed("gone", answered)
    return FetchFailed("paywalled" if status == 402 else "refused", answered)


def _why(error: Exception, response: Page | None, address: Address) -> Exception:
    """What a failed exchange means: most often that it is worth another try."""
    cause = error.__cause__
    if getattr(cause, "error_status_hint", 0) == http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        return FetchFailed("too large", "the headers of the page are larger than 100 kB")
    if response:
        return _BrokenOff("the page came cut off")
    if isinstance(error, httpcore.ProtocolError) and cause:
        return _BrokenOff(f"{address.host} does not answer as a web server does")
    return _BrokenOff(f"{address.host} closed the connection without an answer")


_FAR = 1e9  # seconds; later moments have no date


def _retry_after(value: str) -> float | None:
    """Seconds until the moment that a Retry-After header names."""
    if re.fullmatch(r"\s*[0-9]+\s*", value):
        return min(float(value), _FAR)
    try:
        when = parsedate_to_datetime(value)
        seconds = when.replace(tzinfo=when.tzinfo or UTC).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), _FAR)


# -- robots.txt ----------------------------------------------------------------------------------------------------


def _start(head: Page, pieces: Iterator[bytes]) -> bytes:
    """As much of a robots.txt as has to be read."""
    start = bytearray()
    for piece in pieces:
        start += piece
        if len(start) >= _LONGEST_ROBOTS:
            break
    return bytes(start[:_LONGEST_ROBOTS])


_USER_AGENT = re.compile(r"\s*user(?:-|\s*)agent[\s:]+([^#]*)", re.IGNORECASE)


def _rules_for(robot: str, text: str) -> str:
    """A robots.txt with all other robots under one name: the parser takes hours over a file that names thousands."""
    lines = []
    for line in text.splitlines():
        match = _USER_AGENT.match(line)
        if match:
            name = match.group(1).strip().lower().partition("/")[0]
            line = f"User-agent: {name if name in ('*', robot) else 'another'}"
        lines.append(line)
    return "\n".join(lines)


# -- bodies --------------------------------------------------------------------------------------------------------

_TEXTUAL = _HTML | {
    "application/xml",
    "application/pdf",
    "application/x-pdf",
    "application/json",
    "application/x-ipynb+json",
    "application/epub+zip",
}
_TELLS_NOTHING = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_TELLING = 1024  # bytes that show what a body is
_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MARKED = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MARKUP = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")


def _refuse_type_without_text(content_type: str) -> None:
    if not content_type.startswith("text/") and content_type not in _TEXTUAL | _TELLS_NOTHING:
        raise FetchFailed("wrong type", f"the link leads to {content_type[:100]}, not to text")


def _refuse_start_without_text(start: bytes) -> None:
    """Where the declared type tells nothing, take what begins as a PDF, a web page or text does."""
    if b"%PDF-" in start or start.startswith(_MARKED) or start.lstrip().lower().startswith(_MARKUP):
        return
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # the last character may be cut
        is_text = not _NOT_IN_TEXT.search(start)
    except UnicodeDecodeError:
        is_text = False
    if not is_text:
        raise FetchFailed("wrong type", "the link leads to data of an unknown kind, not to text")


_PIECE = 2**16


def _decompressed(pieces: Iterable[bytes], head: Page) -> Iterator[bytes]:
    """The body as it was before it was compressed, in small pieces however far a bomb would unpack."""
    listed = ",".join(value for name, value in head.headers if name.lower() == "content-encoding").lower().split(",")
    encodings = [name.strip() for name in listed if name.strip() not in ("", "identity")]
    if not encodings:
        return iter(pieces)
    if len(encodings) > 1 or encodings[0] not in ("gzip", "x-gzip", "deflate"):
        raise FetchFailed("wrong type", f"the server compressed the page as {', '.join(encodings)[:100]} unasked")
    return _inflated(pieces, encodings[0])


def _inflated(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = None
    whole = 0  # a gzip file may be several in a row
    for data in pieces:
        full = False
        while data or full:
            if decoder is None or decoder.eof:
                whole += decoder is not None
                if whole and encoding == "deflate":
                    return
                decoder = zlib.decompressobj(_window(encoding, data[0]))
            try:
                piece = decoder.decompress(data, _PIECE)
            except zlib.error as error:
                if whole:
                    return  # what some servers append
                raise FetchFailed("refused", "the compressed page is damaged") from error
            yield piece
            full = len(piece) == _PIECE and not decoder.eof
            data = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    if decoder and not decoder.eof and not whole:
        raise _BrokenOff("the page came cut off")


def _window(encoding: str, first: int) -> int:
    """How zlib is told what to expect; "deflate" comes with its header or, from some servers, without."""
    if encoding != "deflate":
        return 31
    return 15 if first & 0x0F == 8 else -15
