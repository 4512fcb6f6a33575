"""Keep the libraries off the network, and count what leaves this computer all the same; imported before any of them.

Each switch silences one library that otherwise reports usage, looks for updates or asks a model hub. They are set,
not defaulted: a private assistant stays private whatever the shell exports.

What is counted are attempts, answered or not, of this process to reach an address that is not this computer's own
(loopback), and host names that were looked up. Python tells of each through its audit hooks
(https://docs.python.org/3/library/audit_events.html). Not seen are connections made by native code and by other
programs: no library that is used makes any, pip is recorded by who starts it, and the processes that read files are
refused the network.
"""

import ipaddress
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

SWITCHES = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SHARE": "False",
    "ORT_DISABLE_TELEMETRY": "1",
    "LANGSMITH_TRACING_V2": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "TOKENIZERS_PARALLELISM": "false",  # quiets a warning when a process forks after tokenizing
}

os.environ.update(SWITCHES)

_LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_SENDING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


@dataclass(frozen=True)
class Outside:
    """What was tried since counting began: the connections by host, 0 for one that was only looked up."""

    since: datetime
    hosts: Counter[str] = field(default_factory=Counter)

    @property
    def connections(self) -> int:
        return self.hosts.total()


_counted = Outside(datetime.now().astimezone())
_lock = threading.Lock()
_names = threading.local()
_watching = False


def watch() -> None:
    """Begin to count. Once begun it goes on until the process ends: an audit hook cannot be taken back."""
    global _counted, _watching
    if not _watching:
        _watching = True
        _counted = Outside(datetime.now().astimezone())
        sys.addaudithook(_notice)


def outside() -> Outside:
    """What was counted until now."""
    with _lock:
        return Outside(_counted.since, Counter(_counted.hosts))


def record(host: str, connections: int = 1) -> None:
    """Count what is known to go outside and no hook sees."""
    with _lock:
        _counted.hosts[host] += connections


@contextmanager
def naming(host: str) -> Iterator[None]:
    """Connections of this thread to an IP address are counted under the host that was looked up for it."""
    _names.given = host
    try:
        yield
    finally:
        _names.given = ""


def refuse() -> None:
    """Let this process reach nothing: for one that has no business on any network."""

    def deny(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _LOOKUPS or (event in _SENDING and isinstance(arguments[1], tuple)):
            raise PermissionError(f"{event}: this process stays off the network")

    sys.addaudithook(deny)


def _notice(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _LOOKUPS:
        host = _text(arguments[0])
        # for the connection that a thread makes next, which is told of by its IP address
        _names.looked_up = "" if _is_address(host) else host
        if not _is_own(host) and not _is_address(host):
            record(host, 0)
    elif event in _SENDING and isinstance(arguments[1], tuple):  # else a socket of the file system
        host = _text(arguments[1][0])
        if not _is_own(host):
            record(getattr(_names, "given", "") or getattr(_names, "looked_up", "") or host)


def _text(host: Any) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host or "")


def _is_own(host: str) -> bool:
    """Whether a host is this computer by its own addresses or names."""
    if not host or host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
