"""The adapter that comes with the program. Its card is `adapter/README.md`."""

from pathlib import Path

from finetune.export import export

ADAPTER = Path(__file__).resolve().parent / "adapter"


def tune(base: Path, target: Path) -> None:
    """Write the base with the shipped adapter as the GGUF file `target`, the same bytes on every machine."""
    export(base, ADAPTER, target, "q8_0")
