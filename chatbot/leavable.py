"""Work that whoever waits for it can leave at any moment."""

import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

#: How often somebody who waits hears that there is nothing new (seconds), and so can leave.
PULSE = 0.1

_T = TypeVar("_T")


@dataclass(frozen=True)
class _End:
    failure: BaseException | None = None


def leavable(work: Callable[[threading.Event, Callable[[_T], None]], None], name: str) -> Generator[_T | None]:
    """What `work(left, put)` puts, done in a thread of that name, and None whenever nothing came for a tenth of a
    second. Closing the generator sets `left` and waits for nothing; `work` ends as soon as it can.

    Raises what `work` raises.
    """
    results: queue.SimpleQueue[_T | _End] = queue.SimpleQueue()
    left = threading.Event()

    def run() -> None:
        try:
            work(left, results.put)
            results.put(_End())
        except BaseException as error:  # handed to the reader, who would wait for ever otherwise
            results.put(_End(error))

    # a daemon: work that does not end keeps nobody from leaving the program
    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        while not isinstance(result := _next(results), _End):
            yield result
    finally:
        left.set()
    if result.failure:
        raise result.failure


def _next(results: "queue.SimpleQueue[_T]") -> _T | None:
    try:
        return results.get(timeout=PULSE)
    except queue.Empty:
        return None
