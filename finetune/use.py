"""Choosing the model that answers."""

from pathlib import Path

from finetune.export import check_format
from knowledge.errors import NotesError
from knowledge.settings import Settings, changed, save

DEFAULT = "default"
#: Engines that need no file of a model here.
_WITHOUT_FILE = ("extract", "openai")


def choose(settings: Settings, name: str) -> str:
    """Make what `chosen` takes the one that answers, in `config.toml`. Returns what is told."""
    changes = chosen(settings, name)
    changed(settings, changes)
    save(settings.home, changes)
    told = ", ".join(f'{key} = "{value}"' for key, value in changes.items() if value is not None)
    back = "" if name == DEFAULT else f"; `askmynotes finetune use {DEFAULT}` goes back"
    return f"{settings.config}: {told or 'the model that is shipped'}{back}"


def chosen(settings: Settings, name: str) -> dict[str, str | None]:
    """The settings with which a GGUF file or an adapter answers, None for those that go back to their default.

    `name` is a GGUF file, in `models/` or by its path, an adapter, in `adapters/` or by its folder, "extract" or
    "openai"; `DEFAULT` goes back to what is shipped. Raises NotesError where there is none of that name.
    """
    cleared = dict.fromkeys(("engine", "model", "adapter"))
    if name == DEFAULT:
        return cleared
    if name in _WITHOUT_FILE:
        return {"engine": name}
    return {**cleared, **_of_file(settings, name)}


def _of_file(settings: Settings, name: str) -> dict[str, str]:
    path = Path(name).expanduser()
    if name.endswith(".gguf"):
        if (settings.models / name).is_file():
            return {"engine": "gpt4all", "model": name}
        if path.is_file():
            return {"engine": "gpt4all", "model": str(path.resolve())}
    elif (settings.adapters / name / "adapter" / "adapter_config.json").is_file():
        check_format(settings.adapters / name / "adapter")
        return {"engine": "lora", "adapter": name}
    elif (path / "adapter_config.json").is_file():
        check_format(path)
        return {"engine": "lora", "adapter": str(path.resolve())}
    known = [file.name for file in sorted(settings.models.glob("*.gguf"))]
    known += [folder.parent.name for folder in sorted(settings.adapters.glob("*/adapter"))]
    raise NotesError(f"there is no model or adapter {name!r}; there are {', '.join([DEFAULT, *_WITHOUT_FILE, *known])}")
