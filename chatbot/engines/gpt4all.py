"""The engine that runs GGUF files itself, with GPT4All's llama.cpp."""

import threading
from collections.abc import Callable
from itertools import takewhile
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
    question. So the calls one level below are used: the system prompt is read once and rewound to, and so are the
    passages where the next question is about the same ones; both callbacks can end the work.
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
        #: what the model has read from its beginning, each text with the number of tokens up to its end
        self._known: list[tuple[str, int]] = []

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

        markup = self._chat_markup
        self._read([markup.before_system + prompt.system + markup.after_system, prompt.user[: prompt.shared]], stop)
        if stop.is_set():
            return
        self.prompt_tokens = self._model.context.n_past
        self._model._prompt_callback = on_prompt_token
        self._model.prompt_model(
            prompt.user[prompt.shared :],
            markup.user,
            on_token,
            n_predict=min(max_tokens, self._REPLY_TOKENS),
            special=False,  # markup of that kind in notes or questions stays plain text
            **GREEDY,
        )
        if failure:
            raise NotesError(f"the language model failed: {failure.strip()}")

    def _read(self, texts: list[str], stop: threading.Event) -> None:
        """Put the model where it has read these texts and nothing else; what it has read already is rewound to.

        Markup counts as such in the first text alone.
        """
        texts = list(filter(None, texts))
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1][0], zip(texts, self._known, strict=False)))
        del self._known[shared:]
        self._model._prompt_callback = lambda token: not stop.is_set()
        for text in texts[shared:]:
            is_first = not self._known
            self._rewind()
            self._model.prompt_model(
                text, "%1%2", lambda token, piece: True, n_predict=0, reset_context=is_first, special=is_first, **GREEDY
            )
            if stop.is_set():  # it may have been read in part
                return
            self._known.append((text, self._model.context.n_past))
        self._rewind()

    def _rewind(self) -> None:
        if self._known:
            self._model.context.n_past = self._known[-1][1]
