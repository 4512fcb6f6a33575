"""The adapters that come with the program. Their cards are `adapter/README.md` and `embedding/README.md`."""

import shutil
from pathlib import Path

from finetune.encoder import merge
from finetune.examples import read_examples
from finetune.export import export
from knowledge.models import Tuning
from knowledge.prompt import Prompt

ADAPTER = Path(__file__).resolve().parent / "adapter"
_EMBEDDING_ADAPTER = ADAPTER.with_name("embedding")


def _tune_embedding(folder: Path) -> None:
    merge(_EMBEDDING_ADAPTER, folder)
    shutil.copy(_EMBEDDING_ADAPTER / "README.md", folder)


def _tune_language(base: Path, target: Path) -> None:
    export(base, ADAPTER, target, "q8_0")


#: What set-up adds to the models that it fetches.
TUNING = Tuning(_tune_embedding, _tune_language)


def prompts() -> list[Prompt]:
    """Twenty prompts of all kinds, on which the replies of two runtimes are compared."""
    return [example.prompt for example in read_examples(ADAPTER.with_name("prompts.jsonl"))]
