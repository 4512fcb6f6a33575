"""Read files in a process of its own: what a hostile or broken file does to a parser, it does only there."""

import shutil
import subprocess
import sys
from multiprocessing.connection import Connection, Pipe

from ingest.pages import Page
from ingest.read import SAFE_FORMATS, read, read_page, sniff
from ingest.reading import Reading, Unreadable
from knowledge.offline import refuse

#: Seconds after which a file counts as one that its reader cannot finish; a scanned book takes its time.
_PATIENCE = 300
_PATIENCE_WITH_SCANS = 3 * 3600
#: Address space of the process, in bytes, where the system lets it be limited.
_MEMORY = 6 * 2**30


class Worker:
    """Reads one file or page after another; the process starts on first need and is replaced when it dies."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._process: subprocess.Popen | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *details: object) -> None:
        self._end()

    def read(self, data: bytes, name: str, format: str) -> list[Reading]:
        """As `ingest.read.read`. Raises Unreadable also where the reader crashes or does not come to an end."""
        if format in SAFE_FORMATS:
            return _readings(_answer((data, name, format)))
        return self._ask((data, name, format), self._patience_for(format))

    def read_page(self, page: Page) -> Reading:
        """As `ingest.read.read_page`."""
        return self._ask((page,), self._patience_for(sniff(page.body)))[0]

    def _patience_for(self, format: str) -> float:
        return _PATIENCE_WITH_SCANS if format == "pdf" and shutil.which("tesseract") else self._patience

    def _ask(self, question: tuple, patience: float) -> list[Reading]:
        if self._process is None:
            self._start()
        assert self._pipe
        try:
            self._pipe.send(question)
            if not self._pipe.poll(patience):
                raise Unreadable(f"takes longer than {patience:.0f} seconds to read: left out")
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._end()
            raise Unreadable("makes its reader crash: left out") from error
        except BaseException:
            self._end()
            raise
        return _readings(answer)

    def _start(self) -> None:
        self._pipe, other = Pipe()
        # not by multiprocessing, which would run the program of whoever asks a second time
        code = f"import sys; sys.path[:] = {sys.path!r}; from ingest.worker import serve; serve({other.fileno()})"
        # in a session of its own, since Ctrl-C is for the process that asks; what parsers print is for nobody
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        other.close()

    def _end(self) -> None:
        if self._pipe:
            self._pipe.close()
        if self._process:
            self._process.kill()
            self._process.wait()
        self._process = self._pipe = None


def serve(descriptor: int) -> None:
    """Answer what comes through a pipe until its other end closes."""
    pipe = Connection(descriptor)
    refuse()
    _limit_memory()
    while True:
        try:
            question = pipe.recv()
        except (EOFError, OSError):  # it has ended, or was killed
            return
        try:
            pipe.send(_answer(question))
        except OSError:
            return


def _answer(question: tuple) -> list[Reading] | Unreadable:
    """What the reader gives, or why it gives nothing."""
    try:
        return [read_page(question[0])] if len(question) == 1 else read(*question)
    except Unreadable as error:
        return error
    except MemoryError:
        return Unreadable("needs too much memory to read: left out")
    except RecursionError:
        return Unreadable("is nested too deeply to read: left out")
    except Exception as error:  # a parser's own fault, which other files need not suffer from
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return Unreadable(f"cannot be read ({reason[:200]}): left out")


def _readings(answer: list[Reading] | Unreadable) -> list[Reading]:
    if isinstance(answer, Unreadable):
        raise answer
    return answer


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
