"""Language-model engines: a prompt in, text out as it is written.

An engine has a `name` and `stream(prompt, max_tokens)`, a generator that may be closed at any point and then stops the
work behind it. Engines know nothing of notes, passages or citations.
"""

import os
import queue
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from knowledge.errors import NotesError
from knowledge.models import LANGUAGE_MODEL_SHA256, read_card, sha256
from knowledge.settings import DEFAULT_LANGUAGE_MODEL, Settings

if TYPE_CHECKING:
    from gpt4all._pyllmodel import LLModel

ENGINES = ("gpt4all", "extract")


@dataclass(frozen=True)
class Prompt:
    """`system` is the same for every question, so an engine may keep its state; `user` holds notes and question."""

    system: str
    user: str


class Engine(Protocol):
    name: str
    #: bytes of UTF-8 that system and user text may have together, so that the reply still fits
    prompt_bytes: int
    #: tokens of the last prompt
    prompt_tokens: int

    def stream(self, prompt: Prompt, max_tokens: int) -> Generator[str]:
        """Pieces of the reply, a token each, and an empty one whenever nothing came for a tenth of a second, so that
        a reader can leave while the model reads the prompt. Raises NotesError where the model fails."""
        ...


def load_engine(settings: Settings, name: str) -> Engine | None:
    """The engine of that name; None for "extract", which needs no language model.

    Raises NotesError where the model cannot be loaded, or where there is no such engine.
    """
    if name == "extract":
        return None
    if name != "gpt4all":
        raise NotesError(f"there is no engine {name!r}: choose {' or '.join(ENGINES)}")
    inside = settings.models / settings.model
    return GPT4AllEngine(inside if inside.is_file() else Path(settings.model).expanduser())


class GPT4AllEngine:
    """A GGUF file run by GPT4All's llama.cpp.

    GPT4All's own `generate` cannot be stopped while it reads the prompt and reads everything again for each
    question. So the calls one level below are used: the system prompt is read once and rewound to, and both
    callbacks can end the work.
    """

    name = "gpt4all"

    # A token is never shorter than a byte, whatever the tokenizer: a prompt of so many bytes always fits.
    _CONTEXT_TOKENS = 4096
    _REPLY_TOKENS = 384
    _TEMPLATE_BYTES = 128
    prompt_bytes = _CONTEXT_TOKENS - _REPLY_TOKENS - _TEMPLATE_BYTES

    def __init__(self, path: Path) -> None:
        self._check(path)
        self._chat_markup = _chat_markup(read_card(path), path)
        self._model = _load(path, self._CONTEXT_TOKENS)
        self._lock = threading.Lock()  # two generations at once abort the process
        self._prefix: tuple[str, int] | None = None
        self.prompt_tokens = 0

    @staticmethod
    def _check(path: Path) -> None:
        if not path.is_file():
            raise NotesError(f"the language model {path} is not there: run `askmynotes models install`")
        if path.name == DEFAULT_LANGUAGE_MODEL and sha256(path) != LANGUAGE_MODEL_SHA256:
            raise NotesError(f"the language model {path} is damaged: run `askmynotes models install`")

    def stream(self, prompt: Prompt, max_tokens: int) -> Generator[str]:
        pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
        stop = threading.Event()

        def write() -> None:
            try:
                self._generate(prompt, max_tokens, stop, pieces.put)
                pieces.put(None)
            except BaseException as error:  # handed to the reader, who would wait for ever otherwise
                pieces.put(error)

        with self._lock:
            worker = threading.Thread(target=write, name="gpt4all", daemon=True)
            worker.start()
            try:
                while (piece := _next(pieces)) is not None:
                    if isinstance(piece, BaseException):
                        raise NotesError(f"the language model failed: {piece}") from piece
                    yield piece
            finally:
                stop.set()
                worker.join()  # the model is free only when its thread has ended

    def _generate(self, prompt: Prompt, max_tokens: int, stop: threading.Event, put: Callable[[str], None]) -> None:
        system, user = _speakable(prompt.system), _speakable(prompt.user)
        if len(system.encode()) + len(user.encode()) > self.prompt_bytes:
            raise NotesError(f"the prompt is longer than {self.prompt_bytes} bytes")
        options = {"n_batch": 128, "temp": 0.0, "top_k": 1, "repeat_penalty": 1.0}
        self._rewind(system, options)
        self.prompt_tokens = self._model.context.n_past

        def on_prompt_token(token: int) -> bool:
            self.prompt_tokens += 1
            return not stop.is_set()

        def on_token(token: int, text: str) -> bool:
            if not stop.is_set():
                put(text)
            return not stop.is_set()

        self._model._prompt_callback = on_prompt_token
        self._model.prompt_model(
            user,
            self._chat_markup.user,
            on_token,
            n_predict=min(max_tokens, self._REPLY_TOKENS),
            special=False,  # markup of that kind in notes or questions stays plain text
            **options,
        )

    def _rewind(self, system: str, options: dict[str, float]) -> None:
        """Put the model where it has read the system prompt and nothing else."""
        if self._prefix and self._prefix[0] == system:
            self._model.context.n_past = self._prefix[1]
            return
        self._prefix = None
        self._model._prompt_callback = lambda token: True
        text = self._chat_markup.before_system + system + self._chat_markup.after_system
        self._model.prompt_model(
            text, "%1%2", lambda token, piece: True, n_predict=0, reset_context=True, special=True, **options
        )
        self._prefix = (system, self._model.context.n_past)


def _next(pieces: "queue.SimpleQueue[str | BaseException | None]") -> str | BaseException | None:
    try:
        return pieces.get(timeout=0.1)
    except queue.Empty:
        return ""


def _load(path: Path, context_tokens: int) -> "LLModel":
    from gpt4all import GPT4All

    with _captured_stderr() as noise:
        try:
            # n_threads makes GPT4All notice that a model did not load
            threads = os.cpu_count() or 4
            return GPT4All(
                path.name, model_path=path.parent, allow_download=False, n_ctx=context_tokens, n_threads=threads
            ).model
        except Exception as error:  # GPT4All raises bare Exception
            reason = next((line for line in reversed(noise()) if "error" in line.lower()), str(error))
            raise NotesError(f"the language model {path} cannot be loaded ({reason.strip()})") from error


@contextmanager
def _captured_stderr() -> Iterator[Callable[[], list[str]]]:
    """Keep what native code writes to the error stream off the terminal; the yielded call returns its lines."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as file:

        def lines() -> list[str]:
            file.seek(0)
            return file.read().decode("utf-8", "replace").splitlines()

        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(saved, 2)
            os.close(saved)


@dataclass(frozen=True)
class _ChatMarkup:
    """A model's own markup around the system text, and around the user's (%1) and the reply (%2)."""

    before_system: str
    after_system: str
    user: str


def _chat_markup(card: dict[str, str], path: Path) -> _ChatMarkup:
    if not card["chat_template"]:
        return _ChatMarkup("", "\n\n", "### Instruction:\n%1\n\n### Response:\n%2")
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    turns = [{"role": "system", "content": "%0"}, {"role": "user", "content": "%1"}]
    names = {"bos_token": "", "eos_token": card["eos"], "add_generation_prompt": True}
    try:
        template = environment.from_string(card["chat_template"])
        try:
            before, rest = template.render(messages=turns, **names).split("%0")
            after, reply = rest.split("%1")
        except (TemplateError, ValueError):  # a template without system turns: the text opens the user's
            before, reply = template.render(messages=turns[1:], **names).split("%1")
            after = "\n\n"
    except (TemplateError, ValueError) as error:
        raise NotesError(f"{path}: its chat template cannot be used ({error})") from error
    return _ChatMarkup(before, after, f"%1{reply}%2")


def _speakable(text: str) -> str:
    """`text` without what GPT4All cannot take: lone surrogates hang it, and it stops reading at a NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")
