"""A fair queue: one goes at a time, and nobody's many requests hold up another's first."""

import threading
from collections.abc import Generator
from itertools import chain, zip_longest

from chatbot.leavable import PULSE


class Turns:
    """The requests of one asker are served in their order; askers take turns."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        #: the requests of each asker in order; the first one of the first asker has its turn
        self._askers: dict[str, list[object]] = {}

    def wait(self, asker: str) -> Generator[int]:
        """Queue up, and yield the number of requests ahead, at once and then every tenth of a second until it is 0.
        The turn lasts until the generator is closed; closed before, it leaves the queue."""
        request = object()
        with self._changed:
            self._askers.setdefault(asker, []).append(request)
            ahead = self._ahead(request)
        try:
            while ahead:
                yield ahead
                with self._changed:
                    self._changed.wait_for(lambda: not self._ahead(request), PULSE)
                    ahead = self._ahead(request)
            yield 0
        finally:
            with self._changed:
                self._leave(asker, request)
                self._changed.notify_all()

    def _ahead(self, request: object) -> int:
        rounds = zip_longest(*self._askers.values())
        return list(filter(None, chain.from_iterable(rounds))).index(request)

    def _leave(self, asker: str, request: object) -> None:
        had_its_turn = not self._ahead(request)
        others = self._askers[asker]
        others.remove(request)
        if had_its_turn or not others:
            del self._askers[asker]
        if had_its_turn and others:
            self._askers[asker] = others  # behind the other askers
