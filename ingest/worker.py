"""Read files in a process of its own: what a hostile or broken file does to a parser, it does only there."""

import multiprocessing
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

from ingest.pages import Page
from ingest.read import SAFE_FORMATS, read, read_page
from ingest.reading import Reading, Unreadable

#: Seconds after which a file counts as one that its reader cannot finish.
_PATIENCE = 300
#: Address space of the process, in bytes, where the system lets it be limited.
_MEMORY = 6 * 2**30


class Worker:
    """Reads one file or page after another; the process starts on first need and is replaced when it dies."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._process: Any = None
        self._pipe: Connection | None = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *details: object) -> None:
        self._end()

    def read(self, data: bytes, name: str, format: str) -> list[Reading]:
        """As `ingest.read.read`. Raises Unreadable also where the reader crashes or does not come to an end."""
        if format in SAFE_FORMATS:
            return read(data, name, format)
        return self._ask((data, name, format))

    def read_page(self, page: Page) -> Reading:
        """As `ingest.read.read_page`."""
        return self._ask((page,))[0]

    def _ask(self, question: tuple) -> list[Reading]:
        if self._process is None or not self._process.is_alive():
            self._start()
        assert self._pipe
        try:
            self._pipe.send(question)
            if not self._pipe.poll(self._patience):
                raise Unreadable(f"takes longer than {self._patience:.0f} seconds to read: left out")
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._end()
            raise Unreadable("makes its reader crash: left out") from error
        except BaseException:
            self._end()
            raise
        if isinstance(answer, Unreadable):
            raise answer
        return answer

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,), daemon=True)
        self._process.start()
        other.close()

    def _end(self) -> None:
        if self._pipe:
            self._pipe.close()
        if self._process:
            self._process.kill()
            self._process.join()
        self._process = self._pipe = None


def _serve(pipe: Connection) -> None:
    """Answer until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    _limit_memory()
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        try:
            answer: object = [read_page(question[0])] if len(question) == 1 else read(*question)
        except Unreadable as error:
            answer = error
        except MemoryError:
            answer = Unreadable("needs too much memory to read: left out")
        except RecursionError:
            answer = Unreadable("is nested too deeply to read: left out")
        except Exception as error:  # a parser's own fault, which other files need not suffer from
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            answer = Unreadable(f"cannot be read ({reason[:200]}): left out")
        pipe.send(answer)


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
