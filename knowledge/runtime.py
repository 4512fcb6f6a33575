"""GGUF files in GPT4All's llama.cpp: loading one, and the markup that its chat template puts around texts.

Its calls one level below `generate` are used; there a text can be read as markup (`special`) or as plain text.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.errors import NotesError
from knowledge.models import read_card

if TYPE_CHECKING:
    from gpt4all._pyllmodel import LLModel

CONTEXT_TOKENS = 4096

#: For `prompt_model`: always the likeliest token. Reading can be stopped between two batches, of 128 at most.
GREEDY = {"n_batch": 128, "temp": 0.0, "top_k": 1, "repeat_penalty": 1.0}


@dataclass(frozen=True)
class ChatMarkup:
    """A model's own markup around the system text, and around the user's (%1) and the reply (%2)."""

    before_system: str
    after_system: str
    user: str

    @property
    def text(self) -> str:
        return self.before_system + self.after_system + self.user


def load(path: Path) -> "LLModel":
    """Raises NotesError where GPT4All cannot load the file."""
    from gpt4all import GPT4All

    with _captured_stderr() as noise:
        try:
            # n_threads makes GPT4All notice that a model did not load
            threads = os.cpu_count() or 4
            return GPT4All(
                path.name, model_path=path.parent, allow_download=False, n_ctx=CONTEXT_TOKENS, n_threads=threads
            ).model
        except Exception as error:  # GPT4All raises bare Exception
            reason = next((line for line in reversed(noise()) if "error" in line.lower()), str(error))
            raise NotesError(f"the language model {path} cannot be loaded ({reason.strip()})") from error


def chat_markup(path: Path) -> ChatMarkup:
    """The markup of a GGUF file, as its card or its metadata has it; Alpaca's where it has none.

    Raises NotesError where its chat template cannot be used.
    """
    card = read_card(path)
    if not card["chat_template"]:
        return ChatMarkup("", "\n\n", "### Instruction:\n%1\n\n### Response:\n%2")
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
    return ChatMarkup(before, after, f"%1{reply}%2")


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
