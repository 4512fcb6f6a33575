"""Connections to hosts, each to an IP address that was checked just before, none to a private network unasked.

Knows nothing of HTTP. The host is looked up once for a connection, by the name in the one parsed address: what was
checked is what is connected to, whatever the name means a moment later.
"""

import errno
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, Literal

import httpcore

from ingest.addresses import Address
from knowledge.offline import naming

State = Literal[
    "blocked by robots", "gone", "refused", "timed out", "too large", "wrong type", "private address", "paywalled"
]


class FetchFailed(Exception):
    """A page that was not fetched: its state, and the reason for a person to read."""

    def __init__(self, state: State, reason: str) -> None:
        super().__init__(f"{state}: {reason}")
        self.state = state
        self.reason = reason


class Cancelled(Exception):
    """A fetch that ended because all fetching did."""


#: As `socket.getaddrinfo` and `socket.create_connection`.
Resolve = Callable[..., Iterable[tuple[Any, ...]]]
Connect = Callable[[tuple[str, int], float], socket.socket]

_MOST_TRIED = 4  # of a host's IP addresses


class Guard:
    """Opens connections for many threads. `seconds` are what each step may take: to look up, to connect, to encrypt."""

    def __init__(self, allow_private: frozenset[str], seconds: float, resolve: Resolve, connect: Connect) -> None:
        self._allowed = frozenset(host.lower().removesuffix(".") for host in allow_private)
        self._seconds = seconds
        self._resolve = resolve
        self._connect = connect
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        """End every connection now, and every later one at once."""
        self.cancelled.set()
        with self._lock:
            for stream in self._streams:
                stream.interrupt()

    def stop_if_cancelled(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def allows(self, address: Address) -> bool:
        """Whether the host was named as one that may be private, with its port or without."""
        host = f"[{address.host}]" if ":" in address.host else address.host
        return not self._allowed.isdisjoint((address.host, host, f"{host}:{address.port}"))

    @contextmanager
    def connected(self, address: Address, deadline: float) -> Iterator["Stream"]:
        """A connection to the host, encrypted for https, that lasts no longer than `deadline` (time.monotonic)."""
        stream = Stream(self._dialled(address), deadline)
        with self._lock:
            self._streams.add(stream)
        try:
            self.stop_if_cancelled()
            if address.scheme == "https":
                self._encrypt(stream, address)
            yield stream
        finally:
            with self._lock:
                self._streams.discard(stream)
            stream.close()

    def _dialled(self, address: Address) -> socket.socket:
        """Connect in a thread that can be left behind: looking up a host cannot be interrupted."""
        outcome: Future[socket.socket] = Future()
        threading.Thread(target=self._dial, args=(address, outcome), daemon=True).start()
        until = time.monotonic() + self._seconds
        while not outcome.done() and not self.cancelled.is_set() and time.monotonic() < until:
            wait([outcome], timeout=0.1)
        if not outcome.done():
            outcome.add_done_callback(_close_late)
            self.stop_if_cancelled()
            raise self._no_answer(address)
        return outcome.result()

    def _dial(self, address: Address, outcome: "Future[socket.socket]") -> None:
        try:
            outcome.set_result(self._connect_to_checked(address))
        except BaseException as error:  # whatever it is, it belongs to the thread that waits
            outcome.set_exception(error)

    def _connect_to_checked(self, address: Address) -> socket.socket:
        until = time.monotonic() + self._seconds
        ips = self._checked_ips(address)[:_MOST_TRIED]
        failure: OSError = TimeoutError()
        for tried, ip in enumerate(ips):
            share = (until - time.monotonic()) / (len(ips) - tried)
            if share <= 0:
                break
            try:
                with naming(address.host):
                    return self._connect((ip, address.port), share)
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise self._no_answer(address) from failure
        how = "refuses connections" if failure.errno == errno.ECONNREFUSED else "cannot be reached"
        raise FetchFailed("refused", f"the host {address.host} {how}") from failure

    def _checked_ips(self, address: Address) -> list[str]:
        """The IP addresses of a host, which is refused if a single one of them is private."""
        try:
            answers = self._resolve(address.host, address.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            unknown = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
            how = "is not known" if unknown else "could not be looked up; is the network up?"
            raise FetchFailed("refused", f"the host {address.host} {how}") from error
        ips = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        private = next((ip for ip in ips if not is_public(ip)), None)
        if private and not self.allows(address):
            reason = f"the host {address.host} is on a private network ({private})"
            raise FetchFailed("private address", f"{reason}; `--allow-private-host {address.host}` allows it")
        return ips

    def _encrypt(self, stream: "Stream", address: Address) -> None:
        try:
            stream.start_tls(self._tls, address.host, self._seconds)
        except TimeoutError as error:
            raise self._no_answer(address) from error
        except ssl.SSLCertVerificationError as error:
            reason = f"the certificate of {address.host} cannot be trusted: {error.verify_message}"
            raise FetchFailed("refused", reason) from error
        except ssl.SSLError as error:
            raise FetchFailed("refused", f"no secure connection to {address.host} could be made") from error

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpcore.default_ssl_context()

    def _no_answer(self, address: Address) -> FetchFailed:
        return FetchFailed("timed out", f"the host {address.host} did not answer within {self._seconds:g} seconds")


def _close_late(outcome: "Future[socket.socket]") -> None:
    if not outcome.exception():
        outcome.result().close()


class Stream(httpcore.NetworkStream):
    """A connection that ends at its deadline, however slowly the bytes trickle. Errors are the operating system's."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket = sock
        self._deadline = deadline
        self._interrupted = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._allow(timeout)
        data = self._socket.recv(max_bytes)
        if self._interrupted:  # or a page without a length would seem to have ended
            raise ConnectionAbortedError
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._allow(timeout)
        self._socket.sendall(buffer)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._allow(timeout)
        self._socket = ssl_context.wrap_socket(
            self._socket, server_hostname=server_hostname, do_handshake_on_connect=False
        )
        self._socket.do_handshake()
        return self

    def close(self) -> None:
        self._socket.close()

    def interrupt(self) -> None:
        """Make a thread that waits for this connection wait no longer."""
        self._interrupted = True
        with suppress(OSError):
            # not the method of an encrypted socket, which is not made for two threads
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _allow(self, seconds: float | None) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left if seconds is None else min(seconds, left))


# what `is_global` has called global in one version of Python or another, and what carries an IPv4 address inside
_NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
]
_PUBLIC_SIX = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(ip: str) -> bool:
    """Whether an IP address, as a resolver gives it, belongs to the public internet; False for what is no address."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if address in _NAT64:
        # how networks with IPv6 alone reach the rest; what counts is where it comes out
        address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if any(address in network for network in _NOT_PUBLIC):
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return address in _PUBLIC_SIX
    return address.is_global and not address.is_multicast
