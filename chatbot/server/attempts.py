"""Failed logins, counted by name and by address."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_FREE = 5  # failures that cost no wait
# a minute slows guessing down enough; more would let anybody keep a user out by failing in their name
_LONGEST = 60
_FORGOTTEN = 3600  # seconds after the last failure
_KEPT = 10_000  # names and addresses


@dataclass
class _Failures:
    number: int
    last: float


class Attempts:
    """After a few failures each further one costs a wait that doubles."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, *keys: str) -> int:
        """Seconds until the next attempt may be made with all of these keys."""
        return max(map(self._wait, keys))

    def _wait(self, key: str) -> int:
        known = self._failures.get(key)
        if known is None or known.number < _FREE:
            return 0
        return max(0, math.ceil(known.last + min(2 ** (known.number - _FREE + 1), _LONGEST) - self._clock()))

    def failed(self, *keys: str) -> None:
        now = self._clock()
        for key in keys:
            known = self._failures.pop(key, None)
            before = known.number if known and now - known.last < _FORGOTTEN else 0
            self._failures[key] = _Failures(before + 1, now)
        while len(self._failures) > _KEPT:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        self._failures.pop(key, None)


def network(address: str) -> str:
    """What counts as one address: of IPv6 the first half, the rest of which anybody may choose."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)
