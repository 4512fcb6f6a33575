"""The adapter that comes with the program. Its card is `adapter/README.md`."""

from pathlib import Path

from finetune.examples import read_examples
from finetune.export import export
from knowledge.prompt import Prompt

ADAPTER = Path(__file__).resolve().parent / "adapter"


def tune(base: Path, target: Path) -> None:
    """Write the base with the shipped adapter as the GGUF file `target`, the same bytes on every machine."""
    export(base, ADAPTER, target, "q8_0")


def prompts() -> list[Prompt]:
    """Twenty prompts of all kinds, on which the replies of two runtimes are compared."""
    return [example.prompt for example in read_examples(ADAPTER.with_name("prompts.jsonl"))]
