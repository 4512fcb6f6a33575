"""Language-model engines: a prompt in, text out as it is written.

Engines know nothing of notes, passages or citations. What is true of all of them stands here: replies are written one
at a time, end at a time limit and at a number of pieces, and can be left at any moment.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from pathlib import Path

from chatbot.engines.turns import Turns
from chatbot.leavable import leavable
from knowledge.errors import NotesError
from knowledge.prompt import Prompt
from knowledge.settings import ENGINES, Settings


class Waiting(str):
    """An empty piece of a reply that is not being written yet, or just begins: `ahead` others come before it."""

    ahead: int

    def __new__(cls, ahead: int) -> "Waiting":
        self = super().__new__(cls)
        self.ahead = ahead
        return self


class Engine(ABC):
    """May be shared between threads: replies wait for one another. A reply may take so many seconds from its turn on,
    and the queue before it may stand still for as long."""

    name: str
    #: bytes of UTF-8 that system and user text may have together, so that the reply fits into 4,096 tokens as well:
    #: a token is never shorter than a byte, whatever the tokenizer
    prompt_bytes = 3584
    #: tokens of the last prompt, 0 where nobody told
    prompt_tokens = 0

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turns = Turns()

    def stream(self, prompt: Prompt, max_tokens: int, asker: str = "") -> Generator[str]:
        """At most `max_tokens` pieces of the reply, each a token or more, and an empty one whenever nothing came for
        a tenth of a second: a `Waiting` until the reply has its turn, in which askers alternate. Closing the generator
        stops the work behind it, and does not wait until it has stopped.

        Raises NotesError where the model fails, and where the time is over.
        """
        prompt = Prompt(_speakable(prompt.system), _speakable(prompt.user), prompt.shared)
        if len(prompt.system.encode()) + len(prompt.user.encode()) > self.prompt_bytes:
            raise NotesError(f"the prompt is longer than {self.prompt_bytes} bytes")
        deadline = time.monotonic() + self._seconds
        written = 0
        with closing(leavable(partial(self._work, prompt, max_tokens, asker), self.name)) as pieces:
            for piece in pieces:
                if isinstance(piece, Waiting):  # the queue has moved
                    deadline = time.monotonic() + self._seconds
                if time.monotonic() > deadline:
                    raise NotesError(f"the language model took longer than {self._seconds:g} seconds (answer_seconds)")
                written += bool(piece)
                yield "" if piece is None else piece
                if written == max_tokens:
                    return

    def _work(
        self, prompt: Prompt, max_tokens: int, asker: str, stop: threading.Event, put: Callable[[str], None]
    ) -> None:
        """Write a reply when its turn has come. The next turn comes when this work has ended, not when it should; no
        reader can hold it up."""
        try:
            with closing(self._turns.wait(asker)) as queued:
                before = None
                for ahead in queued:
                    if stop.is_set():
                        return
                    if ahead != before:
                        put(Waiting(ahead))
                    before = ahead
                    if not ahead:
                        self._write(prompt, max_tokens, stop, lambda text: put(_speakable(text)))
        except NotesError:
            raise
        except BaseException as error:  # whatever the runtime of a model raises
            raise NotesError(f"the language model failed: {error}") from error

    @abstractmethod
    def _write(self, prompt: Prompt, max_tokens: int, stop: threading.Event, put: Callable[[str], None]) -> None:
        """Call `put` with each piece of the reply; return early, in whatever state, once `stop` is set."""


def load_engine(settings: Settings, name: str) -> Engine | None:
    """The engine of that name; None for "extract", which needs no language model.

    Raises NotesError where the engine cannot work with these settings, or where there is none of that name.
    """
    if name == "extract":
        return None
    if name == "openai":
        from chatbot.engines.openai import OpenAIEngine

        return OpenAIEngine(settings)
    if name == "lora":
        from chatbot.engines.lora import LoraEngine

        return LoraEngine(settings)
    if name != "gpt4all":
        raise NotesError(f"there is no engine {name!r}: choose {', '.join(ENGINES[:-1])} or {ENGINES[-1]}")
    from chatbot.engines.gpt4all import GPT4AllEngine

    inside = settings.models / settings.model
    path = inside if inside.is_file() else Path(settings.model).expanduser()
    return GPT4AllEngine(path, settings.answer_seconds)


def _speakable(text: str) -> str:
    """`text` without what engines cannot take, or print: lone surrogates hang GPT4All, which stops reading at a NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")
