"""The few settings, read once at the edge and passed down as plain values."""

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from knowledge.errors import NotesError

#: Stands for its weights in an index, so another adapter takes another name.
DEFAULT_EMBEDDING_MODEL = "all-MiniLM-L6-v2-askmynotes"
DEFAULT_LANGUAGE_MODEL = "SmolLM2-135M-askmynotes.Q8_0.gguf"
CONFIG_FILE = "config.toml"
ENGINES = ("gpt4all", "openai", "lora", "extract")
_AT_LEAST_ONE = ("answer_seconds", "max_file_mb")


class Refused(NotesError):
    """A setting that cannot be: `key` names it, the message is for a person."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


@dataclass(frozen=True)
class Settings:
    """Where everything lies and which models are used. `config.toml` in the home folder sets all but `home`."""

    home: Path
    #: answers are written by this engine, one of ENGINES
    engine: str = "gpt4all"
    #: GGUF file that the gpt4all engine loads: a name in `models/` or a path
    model: str = DEFAULT_LANGUAGE_MODEL
    #: adapter that the lora engine runs: a name in `adapters/` or a folder
    adapter: str = "mine"
    #: address of the OpenAI-compatible server that the openai engine asks; the default is Ollama's
    openai_url: str = "http://localhost:11434/v1"
    #: the model that is asked for there; empty: the first that the server names
    openai_model: str = ""
    #: what that server wants as a bearer token, if anything
    openai_key: str = field(default="", repr=False)
    #: that server may be on the public internet: questions and passages of the notes leave this machine and network
    allow_public_engine: bool = False
    #: how long a language model may take for a reply, in seconds
    answer_seconds: int = 120
    #: a name in `models/`, a folder, or any sentence-transformers name already on this machine
    embedding_model: str = DEFAULT_EMBEDDING_MODEL
    #: a cross-encoder that reads the best passages again, named as the embedding model is; empty: none does
    reranker: str = ""
    #: larger files are skipped by ingest, in megabytes
    max_file_mb: int = 64
    #: every ingest fetches the pages that the notes link to
    fetch_links: bool = False
    #: private and loopback hosts, otherwise refused, that may be fetched from
    allow_private_hosts: tuple[str, ...] = ()

    @property
    def config(self) -> Path:
        return self.home / CONFIG_FILE

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def adapters(self) -> Path:
        return self.home / "adapters"

    @property
    def pages(self) -> Path:
        """The fetched pages, as fetched."""
        return self.home / "pages"

    @property
    def dropped(self) -> Path:
        """The files that were dropped on the page."""
        return self.home / "dropped"


def load_settings(home: Path | None = None) -> Settings:
    """Settings for `home`, else `ASKMYNOTES_HOME`, else the platform's user data folder.

    Raises NotesError when `config.toml` cannot be read or holds something unknown.
    """
    from platformdirs import user_data_path

    home = home or Path(os.environ.get("ASKMYNOTES_HOME") or user_data_path("askmynotes", appauthor=False))
    home = home.expanduser().resolve()
    if home.exists() and not home.is_dir():
        raise NotesError(f"{home} is not a folder: choose another with --home DIR")
    return Settings(home=home, **_read_config(home / CONFIG_FILE))


def changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """The settings with these changes; None goes back to the default. Raises Refused for a value that cannot be."""
    default = Settings(settings.home)
    values = {key: getattr(default, key) if value is None else checked(key, value) for key, value in changes.items()}
    return dataclasses.replace(settings, **values)


def save(home: Path, changes: Mapping[str, Any]) -> None:
    """Write changes, which `changed` has let pass, into `config.toml`: None takes a setting out, and what else stands
    there stays as it is, comments too. Raises NotesError where the file cannot be read or written."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    config = (home / CONFIG_FILE).resolve()
    try:
        held = tomlkit.parse(config.read_text(encoding="utf-8")) if config.is_file() else tomlkit.document()
        for key, value in changes.items():
            if value is None:
                held.pop(key, None)
            else:
                held[key] = list(value) if isinstance(value, tuple) else value
        home.mkdir(parents=True, exist_ok=True)
        part = config.with_name(config.name + ".part")
        part.touch(mode=0o600)  # a key may stand in it
        part.write_text(tomlkit.dumps(held), encoding="utf-8")
        part.replace(config)
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise NotesError(f"{config}: cannot be changed ({error}): mend the file, then try again") from error


def checked(key: str, value: Any) -> Any:
    """The value as `Settings` holds it. Raises Refused where the setting cannot be that, or there is none."""
    known: dict[str, Any] = {field.name: field.type for field in dataclasses.fields(Settings) if field.name != "home"}
    if key not in known:
        raise Refused(key, f"unknown setting {key!r}; known are {', '.join(known)}")
    if key == "allow_private_hosts":
        if not isinstance(value, list | tuple) or not all(isinstance(host, str) for host in value):
            raise Refused(key, f"{key} must be a list of host names, not {value!r}")
        return tuple(value)
    if type(value) is not known[key]:
        shown = "" if key == "openai_key" else f", not {value!r}"
        raise Refused(key, f"{key} must be a {known[key].__name__}{shown}")
    if key == "engine" and value not in ENGINES:
        raise Refused(key, f"{key} must be one of {', '.join(ENGINES)}, not {value!r}")
    if key in _AT_LEAST_ONE and value < 1:
        raise Refused(key, f"{key} must be 1 or more, not {value}")
    return value


def _read_config(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NotesError(f"{path}: cannot be read as TOML ({error}): mend or remove the file") from error
    try:
        return {key: checked(key, value) for key, value in values.items()}
    except Refused as error:
        raise NotesError(f"{path}: {error}") from error
