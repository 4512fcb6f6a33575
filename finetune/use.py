"""Choosing the model that answers, in `config.toml`."""

from pathlib import Path

import tomlkit

from knowledge.errors import NotesError
from knowledge.settings import Settings

DEFAULT = "default"


def choose(settings: Settings, name: str) -> str:
    """Make a GGUF file or an adapter the one that answers; what else stands in `config.toml` stays as it is.

    `name` is a GGUF file, in `models/` or by its path, or an adapter, in `adapters/` or by its folder; `DEFAULT` goes
    back to what is shipped. Returns what is told. Raises NotesError where there is none of that name.
    """
    config = settings.home / "config.toml"
    held = tomlkit.parse(config.read_text(encoding="utf-8")) if config.is_file() else tomlkit.document()
    for key in ("engine", "model", "adapter"):
        held.pop(key, None)
    chosen = {} if name == DEFAULT else _chosen(settings, name)
    held.update(chosen)
    settings.home.mkdir(parents=True, exist_ok=True)
    part = config.with_name(config.name + ".part")
    part.write_text(tomlkit.dumps(held), encoding="utf-8")
    part.replace(config)
    told = ", ".join(f'{key} = "{value}"' for key, value in chosen.items()) or "the model that is shipped"
    return f"{config}: {told}"


def _chosen(settings: Settings, name: str) -> dict[str, str]:
    path = Path(name).expanduser()
    if name.endswith(".gguf"):
        if (settings.models / name).is_file():
            return {"engine": "gpt4all", "model": name}
        if path.is_file():
            return {"engine": "gpt4all", "model": str(path.resolve())}
    elif (settings.adapters / name / "adapter" / "adapter_config.json").is_file():
        return {"engine": "lora", "adapter": name}
    elif (path / "adapter_config.json").is_file():
        return {"engine": "lora", "adapter": str(path.resolve())}
    known = [file.name for file in sorted(settings.models.glob("*.gguf"))]
    known += [folder.parent.name for folder in sorted(settings.adapters.glob("*/adapter"))]
    raise NotesError(f"there is no model or adapter {name!r}; there are {', '.join([DEFAULT, *known])}")
