"""The engine that runs GGUF files itself, with GPT4All's llama.cpp."""

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chatbot.engines import Engine
from knowledge.errors import NotesError
from knowledge.models import LANGUAGE_MODEL_SHA256, read_card, sha256
from knowledge.prompt import Prompt
from knowledge.settings import DEFAULT_LANGUAGE_MODEL

if TYPE_CHECKING:
    from gpt4all._pyllmodel import LLModel


class GPT4AllEngine(Engine):
    """A GGUF file run by GPT4All's llama.cpp.

    GPT4All's own `generate` cannot be stopped while it reads the prompt and reads everything again for each
    question. So the calls one level below are used: the system prompt is read once and rewound to, and both
    callbacks can end the work.
    """

    name = "gpt4all"

    _CONTEXT_TOKENS = 4096
    _REPLY_TOKENS = 384
    _BATCH_TOKENS = 128  # GPT4All's most; it can be stopped between two batches

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(seconds)
        self._check(path)
        self._chat_markup = _chat_markup(read_card(path), path)
        self.prompt_bytes = min(
            self.prompt_bytes, self._CONTEXT_TOKENS - self._REPLY_TOKENS - len(self._chat_markup.text.encode())
        )
        self._model = _load(path, self._CONTEXT_TOKENS)
        self._prefix: tuple[str, int] | None = None

    @staticmethod
    def _check(path: Path) -> None:
        if not path.is_file():
            raise NotesError(f"the language model {path} is not there: run `askmynotes models install`")
        if path.name == DEFAULT_LANGUAGE_MODEL and sha256(path) != LANGUAGE_MODEL_SHA256:
            raise NotesError(f"the language model {path} is damaged: run `askmynotes models install`")

    def _write(self, prompt: Prompt, max_tokens: int, stop: threading.Event, put: Callable[[str], None]) -> None:
        options = {"n_batch": self._BATCH_TOKENS, "temp": 0.0, "top_k": 1, "repeat_penalty": 1.0}
        failure = ""

        def on_prompt_token(token: int) -> bool:
            self.prompt_tokens += 1
            return not stop.is_set()

        def on_token(token: int, text: str) -> bool:
            nonlocal failure
            if token < 0:  # how GPT4All tells that it failed
                failure = text
            elif not stop.is_set():
                put(text)
            return not failure and not stop.is_set()

        self._rewind(prompt.system, options, stop)
        if stop.is_set():
            return
        self.prompt_tokens = self._model.context.n_past
        self._model._prompt_callback = on_prompt_token
        self._model.prompt_model(
            prompt.user,
            self._chat_markup.user,
            on_token,
            n_predict=min(max_tokens, self._REPLY_TOKENS),
            special=False,  # markup of that kind in notes or questions stays plain text
            **options,
        )
        if failure:
            raise NotesError(f"the language model failed: {failure.strip()}")

    def _rewind(self, system: str, options: dict[str, float], stop: threading.Event) -> None:
        """Put the model where it has read the system prompt and nothing else."""
        if self._prefix and self._prefix[0] == system:
            self._model.context.n_past = self._prefix[1]
            return
        self._prefix = None
        self._model._prompt_callback = lambda token: not stop.is_set()
        text = self._chat_markup.before_system + system + self._chat_markup.after_system
        self._model.prompt_model(
            text, "%1%2", lambda token, piece: True, n_predict=0, reset_context=True, special=True, **options
        )
        if not stop.is_set():  # or it may have been read in part
            self._prefix = (system, self._model.context.n_past)


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

    @property
    def text(self) -> str:
        return self.before_system + self.after_system + self.user


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
