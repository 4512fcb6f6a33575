"""The adapters that are here, with what training and `finetune evaluate` left beside them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.export import measured
from knowledge.settings import Settings

#: The losses of a run, as `[[step, loss], ...]` under "training" and "validation".
CURVE = "training.json"


@dataclass(frozen=True)
class Adapter:
    """An adapter in `adapters/`."""

    name: str
    path: Path
    size: int
    #: the file name of the model that it belongs to
    base: str
    measured: dict[str, Any] | None
    curve: dict[str, list[tuple[float, float]]]


def adapters(settings: Settings) -> list[Adapter]:
    """Those that the lora engine runs by their names."""
    return [_described(config.parent) for config in sorted(settings.adapters.glob("*/adapter/adapter_config.json"))]


def _described(folder: Path) -> Adapter:
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    base = Path(str(_read(folder / "adapter_config.json").get("base_model_name_or_path", ""))).name
    return Adapter(folder.parent.name, folder, size, base, measured(folder), _read(folder.parent / CURVE))


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
