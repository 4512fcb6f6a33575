"""The engine that runs GGUF files itself, with GPT4All's llama.cpp."""

import threading
from collections.abc import Callable
from pathlib import Path

from chatbot.engines import Engine
from knowledge.errors import NotesError
from knowledge.models import LANGUAGE_MODEL_SHA256, sha256
from knowledge.prompt import Prompt
from knowledge.runtime import CONTEXT_TOKENS, GREEDY, chat_markup, load
from knowledge.settings import DEFAULT_LANGUAGE_MODEL


class GPT4AllEngine(Engine):
    """A GGUF file run by GPT4All's llama.cpp.

    GPT4All's own `generate` cannot be stopped while it reads the prompt and reads everything again for each
    question. So the calls one level below are used: the system prompt is read once and rewound to, and both
    callbacks can end the work.
    """

    name = "gpt4all"

    _REPLY_TOKENS = 384

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(seconds)
        self._check(path)
        self._chat_markup = chat_markup(path)
        self.prompt_bytes = min(
            self.prompt_bytes, CONTEXT_TOKENS - self._REPLY_TOKENS - len(self._chat_markup.text.encode())
        )
        self._model = load(path)
        self._prefix: tuple[str, int] | None = None

    @staticmethod
    def _check(path: Path) -> None:
        if not path.is_file():
            raise NotesError(f"the language model {path} is not there: run `askmynotes models install`")
        if path.name == DEFAULT_LANGUAGE_MODEL and sha256(path) != LANGUAGE_MODEL_SHA256:
            raise NotesError(f"the language model {path} is damaged: run `askmynotes models install`")

    def _write(self, prompt: Prompt, max_tokens: int, stop: threading.Event, put: Callable[[str], None]) -> None:
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

        self._rewind(prompt.system, stop)
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
            **GREEDY,
        )
        if failure:
            raise NotesError(f"the language model failed: {failure.strip()}")

    def _rewind(self, system: str, stop: threading.Event) -> None:
        """Put the model where it has read the system prompt and nothing else."""
        if self._prefix and self._prefix[0] == system:
            self._model.context.n_past = self._prefix[1]
            return
        self._prefix = None
        self._model._prompt_callback = lambda token: not stop.is_set()
        text = self._chat_markup.before_system + system + self._chat_markup.after_system
        self._model.prompt_model(
            text, "%1%2", lambda token, piece: True, n_predict=0, reset_context=True, special=True, **GREEDY
        )
        if not stop.is_set():  # or it may have been read in part
            self._prefix = (system, self._model.context.n_past)
