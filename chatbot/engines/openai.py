"""The engine that asks a server with OpenAI's interface on this machine or network: Ollama, llama.cpp, vLLM, ...

Knows nothing of models: the server has them. Each request has a connection of its own, to an IP address that was
checked just before; redirects, proxies and the environment's credentials play no part.
"""

import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpcore

from chatbot.engines import Engine
from chatbot.leavable import PULSE
from knowledge.errors import NotesError
from knowledge.offline import naming
from knowledge.prompt import Prompt
from knowledge.settings import Settings

_CONNECT_SECONDS = 10.0  # for each IP address, and for the encryption
_CHECK_SECONDS = 10.0
_MOST_TRIED = 4  # of a host's IP addresses
_MOST_BYTES = 4 * 2**20  # of one answer, head and all: some 10,000 pieces of a reply
_MOST_QUOTED = 200  # characters of what a server says
_MOST_NAMED = 8  # of a server's models

_LOCAL = [
    ipaddress.ip_network(network)
    for network in (
        *("127.0.0.0/8", "::1/128"),  # this machine
        *("0.0.0.0/32", "::/128"),  # this machine too, the way servers tell where they listen
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),  # private
        *("169.254.0.0/16", "fe80::/10"),  # link-local
        "100.64.0.0/10",  # shared by a carrier's customers, and what Tailscale gives
    )
]

#: Whether the one who asked has left.
Stopped = Callable[[], bool]


class _NotCompatible(Exception):
    """An answer that OpenAI's interface does not give; the message says what it was."""


class _BrokenOff(Exception):
    """A connection that ended before the answer did."""


class _Refused(NotesError):
    """An answer with another status than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class OpenAIEngine(Engine):
    """Chat completions, streamed (platform.openai.com/docs/api-reference/chat)."""

    name = "openai"

    def __init__(self, settings: Settings) -> None:
        """Raises NotesError where address or key cannot be used; the server is not asked before a reply is wanted."""
        super().__init__(settings.answer_seconds)
        self._server = _Server(settings.openai_url, settings.openai_key, settings.allow_public_engine)
        self._model = settings.openai_model

    def check(self) -> str:
        """The model that would be asked. Raises NotesError where server or model is not there."""
        until = time.monotonic() + _CHECK_SECONDS
        names = self._server.models(lambda: time.monotonic() > until)
        if self._model and self._model not in names:
            raise self._unknown_model(names)
        return self._model or self._first(names)

    def _write(self, prompt: Prompt, max_tokens: int, stop: threading.Event, put: Callable[[str], None]) -> None:
        model = self._model or self._first(self._server.models(stop.is_set))
        request = {
            "model": model,
            "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            "stream": True,
            "temperature": 0,
            "max_tokens": max_tokens,
        }
        try:
            with self._server.answer("POST", "/chat/completions", stop.is_set, request) as body:
                self._pass_on(body, put)
        except _Refused as refused:
            names = self._server.models(stop.is_set) if refused.status in (400, 404) else [model]
            raise refused if model in names else self._unknown_model(names) from refused

    def _pass_on(self, body: Iterable[bytes], put: Callable[[str], None]) -> None:
        """Read the reply to its end."""
        self.prompt_tokens = 0
        ended = written = reasoned = False
        chunk = None
        for data in _events(body):
            if data == "[DONE]":
                ended = True
                break
            chunk = self._server.chunk(data)
            self.prompt_tokens = chunk.prompt_tokens or self.prompt_tokens
            ended |= chunk.last
            reasoned |= chunk.reasons
            written |= bool(chunk.text)
            put(chunk.text)
        if not ended:
            raise _BrokenOff if chunk else _NotCompatible("it streams no events")
        if reasoned and not written:
            raise NotesError("the model spent its whole reply on reasoning: choose one that answers directly")

    def _first(self, names: list[str]) -> str:
        if not names:
            raise NotesError(f"the server at {self._server.url} has no model: load one there")
        return names[0]

    def _unknown_model(self, names: list[str]) -> NotesError:
        known = ", ".join(map(_one_line, names[:_MOST_NAMED])) + (", ..." if len(names) > _MOST_NAMED else "")
        return NotesError(
            f"the server at {self._server.url} has no model {self._model!r}: set openai_model to one that it has"
            f" ({known or 'none yet'})"
        )


@dataclass(frozen=True)
class _Chunk:
    """What one event of a streamed reply says."""

    text: str
    reasons: bool
    last: bool
    prompt_tokens: int


class _Server:
    """Requests to the one server, and its answers, whose failures are told by NotesError."""

    def __init__(self, url: str, key: str, allow_public: bool) -> None:
        self._base = _parsed_base(url)
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise NotesError("openai_key holds characters that no key has: copy it again")
        self._key = key
        self._allow_public = allow_public
        self.url = f"{self._base.scheme.decode()}://{self._authority}{self._base.target.decode()}"

    @property
    def _authority(self) -> str:
        host = self._base.host.decode()
        host = f"[{host}]" if ":" in host else host
        return f"{host}:{self._base.port}" if self._base.port else host

    def models(self, stopped: Stopped) -> list[str]:
        """The names of the models that the server has."""
        with self.answer("GET", "/models", stopped) as body:
            listing = _json(b"".join(body).decode("utf-8", "replace"))
            try:
                return [str(model["id"]) for model in listing["data"] or ()]
            except (KeyError, TypeError) as error:
                raise _NotCompatible("its list of models has another form") from error

    def chunk(self, data: str) -> _Chunk:
        """What an event says. Raises NotesError where that is a failure."""
        parsed = _json(data)
        try:
            if parsed.get("error"):
                raise NotesError(f"the server at {self.url} failed: {self._said(data)}")
            choice = parsed["choices"][0] if parsed["choices"] else {}
            delta = choice.get("delta") or {}
            text = delta.get("content") or ""
            reasons = bool(delta.get("reasoning_content") or delta.get("reasoning"))
            tokens = (parsed.get("usage") or {}).get("prompt_tokens") or 0
        except (AttributeError, KeyError, TypeError) as error:
            raise _NotCompatible("its events have another form") from error
        if not isinstance(text, str) or not isinstance(tokens, int):
            raise _NotCompatible("its events have another form")
        return _Chunk(text, reasons, bool(choice.get("finish_reason")), tokens)

    @contextmanager
    def answer(
        self, method: str, path: str, stopped: Stopped, content: dict[str, Any] | None = None
    ) -> Iterator[Iterator[bytes]]:
        """The body of the answer to a request. Failures while it is read are told as well."""
        begun = False
        try:
            with closing(self._connected(stopped)) as wire:
                request = self._request(method, path, content)
                response = httpcore.HTTP11Connection(self._base.origin, wire).handle_request(request)
                if response.status != 200:
                    raise self._refusal(response)
                begun = True
                yield response.iter_stream()
        except _NotCompatible as error:
            raise NotesError(
                f"what answers at {self.url} is no OpenAI-compatible server ({error}): check openai_url"
            ) from error
        except TimeoutError as error:
            raise NotesError(f"the server at {self.url} does not answer in time") from error
        except (OSError, httpcore.ProtocolError, _BrokenOff) as error:
            if begun:
                raise NotesError(f"the connection to {self.url} broke off in the middle of the reply") from error
            raise NotesError(
                f"what answers at {self.url} ends the connection without an answer: check openai_url"
            ) from error

    def _request(self, method: str, path: str, content: dict[str, Any] | None) -> httpcore.Request:
        base = self._base
        url = httpcore.URL(scheme=base.scheme, host=base.host, port=base.port, target=base.target + path.encode())
        body = json.dumps(content).encode() if content else b""
        headers = {"Host": self._authority, "Connection": "close", "Accept-Encoding": "identity"}
        if content:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return httpcore.Request(method, url, headers=list(headers.items()), content=body)

    def _refusal(self, response: httpcore.Response) -> _Refused:
        status = response.status
        if status in (401, 403):
            told = "does not accept the key" if self._key else "wants a key"
            return _Refused(status, f"the server at {self.url} {told}: set openai_key")
        if status == 404:
            return _Refused(status, f"nothing is found at {self.url}: set openai_url to the address that ends in /v1")
        if 300 <= status < 400:
            return _Refused(status, f"the server at {self.url} sends on to another address: set openai_url to that one")
        said = self._said(b"".join(response.iter_stream()).decode("utf-8", "replace"))
        return _Refused(status, f"the server at {self.url} failed with status {status}" + (f": {said}" if said else ""))

    def _said(self, body: str) -> str:
        """The message in a server's answer: its first line, and never the key."""
        try:
            said = json.loads(body)
            for name in ("error", "message", "detail"):
                if isinstance(said, dict) and name in said:
                    said = said[name]
        except (ValueError, RecursionError):
            said = "" if body.lstrip().startswith("<") else body
        text = str(said)
        return _one_line(text.replace(self._key, "[key]") if self._key else text)

    # -- connecting -------------------------------------------------------------------------------------------------

    def _connected(self, stopped: Stopped) -> "_Wire":
        """A connection to an IP address that was checked."""
        sock = self._dialled(self._checked_ips())
        if self._base.scheme == b"https":
            try:
                sock = httpcore.default_ssl_context().wrap_socket(sock, server_hostname=self._base.host.decode())
            except ssl.SSLCertVerificationError as error:
                raise NotesError(f"the certificate of {self.url} cannot be trusted: {error.verify_message}") from error
            except OSError as error:
                raise NotesError(f"{self.url} offers no secure connection: does openai_url begin with http?") from error
        return _Wire(sock, stopped)

    def _dialled(self, ips: list[str]) -> socket.socket:
        failure = None
        for ip in ips[:_MOST_TRIED]:
            try:
                with naming(self._base.host.decode()):
                    return socket.create_connection((ip, self._port), _CONNECT_SECONDS)
            except OSError as error:
                failure = error
        raise NotesError(f"no server answers at {self.url}: start it, or choose another engine") from failure

    def _checked_ips(self) -> list[str]:
        """The server's IP addresses, looked up once. Raises NotesError where one of them is public, unless allowed."""
        host = self._base.host.decode()
        try:
            answers = socket.getaddrinfo(host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NotesError(f"the host {host} of openai_url is not known here: check the name") from error
        ips = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        public = next((ip for ip in ips if not is_local(ip)), None)
        if public and not self._allow_public:
            raise NotesError(
                f"{host} ({public}) is on the public internet, where questions and passages of your notes would be"
                " sent: allow_public_engine = true in config.toml allows it"
            )
        if public and self._base.scheme != b"https":
            raise NotesError(f"{host} is on the public internet: set openai_url to its https address")
        return ips

    @property
    def _port(self) -> int:
        return self._base.port or (443 if self._base.scheme == b"https" else 80)


class _Wire(httpcore.NetworkStream):
    """A connection that is left as soon as nobody waits for it any more."""

    def __init__(self, sock: socket.socket, stopped: Stopped) -> None:
        self._socket = sock
        self._stopped = stopped
        self._left = _MOST_BYTES

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(PULSE)
        while not self._stopped():
            try:
                data = self._socket.recv(max_bytes)
            except TimeoutError:
                continue
            self._left -= len(data)
            if self._left < 0:
                raise _NotCompatible(f"its answer is longer than {_MOST_BYTES // 2**20} MB")
            return data
        raise TimeoutError

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._socket.settimeout(_CONNECT_SECONDS)
        self._socket.sendall(buffer)

    def close(self) -> None:
        self._socket.close()


def is_local(ip: str) -> bool:
    """Whether an IP address, as a resolver gives it, is this machine's or of its private network."""
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in _LOCAL)


# -- reading -------------------------------------------------------------------------------------------------------


def _parsed_base(url: str) -> httpcore.URL:
    """The address below which the interface lies: /v1 where the setting names no path."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts = urlsplit("")
        port = None
    strange = not url.isascii() or not url.isprintable() or set(" \\@?#") & set(url)
    if strange or parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotesError("openai_url must be a base address such as http://localhost:11434/v1")
    target = parts.path.rstrip("/") or "/v1"
    return httpcore.URL(scheme=parts.scheme.encode(), host=parts.hostname.encode(), port=port, target=target.encode())


def _events(body: Iterable[bytes]) -> Iterator[str]:
    """The data of each server-sent event (html.spec.whatwg.org, 9.2); one that is cut off is none."""
    data: list[str] = []
    for line in _lines(body):
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []


def _lines(body: Iterable[bytes]) -> Iterator[str]:
    """Lines that ended, without their ends."""
    pending = bytearray()
    for piece in body:
        pending += piece
        if b"\n" in piece:
            *lines, pending = pending.split(b"\n")
            for line in lines:
                yield line.removesuffix(b"\r").decode("utf-8", "replace")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _NotCompatible("it sends no JSON") from error


def _one_line(text: str) -> str:
    """The first line of what a server says, fit for a terminal."""
    line = next(iter(text.strip().splitlines()), "")
    return "".join(letter for letter in line if letter.isprintable())[:_MOST_QUOTED]
