"""Every test works in a home folder of its own, with the real models, and leaves nothing elsewhere."""

import errno
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from chatbot.cli import cli
from chatbot.server.users import Users
from finetune.shipped import TUNING
from ingest.pipeline import ingest
from knowledge.models import base_language_model, default_embedding_model, default_language_model, install
from knowledge.settings import Settings
from knowledge.store import Store
from tests.guard import GUARD
from tests.server import ROOT, Server

PASSWORD = "correct horse"
NOTES = ROOT / "knowledge" / "notes"

#: three notes of a house, for asking about
HOUSE = """## Boiler service
The boiler is serviced by Hansen & Sons every October. The contract costs 120 euros a year.

[contract](https://hansen.example/contract)

## Bike tyres
Pump the tyres to 6 bar.

## Reading list on bread
[link](https://bread.example/sourdough-starter), [book](https://bread.example/book)
"""


@pytest.fixture(scope="session")
def models():
    """The folder with the default models; fetched once into the clone where `make test` has not done so."""
    folder = ROOT / ".home" / "models"
    if default_embedding_model(folder).problem or default_language_model(folder).problem:
        install(folder, TUNING, print)
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory, models):
    """The base language model as a folder of transformers, in float32: its GGUF file takes long to unpack."""
    import torch

    from finetune.base import load_base

    folder = tmp_path_factory.mktemp("checkpoint") / "base"
    base = load_base(base_language_model(models).path, torch.float32)
    base.model.save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)
    return folder


def make_settings(home, models, **changes):
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "models").exists():
        (home / "models").symlink_to(models, target_is_directory=True)
    return Settings(home=home, **changes)


@pytest.fixture
def settings(tmp_path, models):
    return make_settings(tmp_path / "home", models)


@pytest.fixture
def store(settings):
    store = Store(settings)
    yield store
    store.close()


@pytest.fixture
def add(store, settings, tmp_path):
    """Write `text` as a note and index it; returns the summary."""

    def add(text, name="note.md"):
        path = tmp_path / "notes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return ingest(store, settings, [tmp_path / "notes"])

    return add


@pytest.fixture(scope="session")
def shipped(tmp_path_factory, models):
    """A store with the notes shipped with the project, and its settings."""
    settings = make_settings(tmp_path_factory.mktemp("shipped"), models)
    store = Store(settings)
    ingest(store, settings, [NOTES])
    yield SimpleNamespace(store=store, settings=settings)
    store.close()


@pytest.fixture(scope="session")
def household(tmp_path_factory, models):
    """A server for the network, with the users ada and bo and the notes of a house; it refuses and records every
    outside connection that it would make."""
    folder = tmp_path_factory.mktemp("household")
    settings = make_settings(folder / "home", models)
    (folder / "house.md").write_text(HOUSE)
    with closing(Store(settings)) as store:
        ingest(store, settings, [folder / "house.md"])
    with closing(Users(settings.home)) as users:
        keys = {users.add(name, PASSWORD): users.new_key(name) for name in ("ada", "bo")}
    (folder / "sitecustomize.py").write_text(GUARD)
    outside, errors = folder / "outside.txt", folder / "errors.txt"
    outside.touch()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "GUARD_LOG": str(outside)}
    env["FORWARDED_ALLOW_IPS"] = "*"  # a careless environment: uvicorn would let anybody forge their address
    with errors.open("w") as stream:
        options = ("--engine", "extract", "--host", "0.0.0.0", "--name", "notes.example")
        server = Server(settings, *options, env=env, errors=stream)
    url = server.url.rstrip("/")
    yield SimpleNamespace(url=url, settings=settings, keys=keys, outside=outside, errors=errors, notes=folder)
    server.stop()


def questions(name="notes"):
    lines = (Path(__file__).parent / "questions" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def close(monkeypatch):
    """Deny entry to a folder, as the system does to all but the superuser, who may be the one to run the tests."""

    def close(folder):
        def denied(call, itself):
            def ask(path=".", *rest, **options):
                inside = isinstance(path, (str, Path)) and Path(path).is_relative_to(folder)
                if inside and (itself or Path(path) != folder):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
                return call(path, *rest, **options)

            return ask

        monkeypatch.setattr(os, "scandir", denied(os.scandir, itself=True))
        monkeypatch.setattr(os, "stat", denied(os.stat, itself=False))
        monkeypatch.setattr(os, "lstat", denied(os.lstat, itself=False))

    return close


@pytest.fixture
def run(settings):
    """Run a command in this process, where its libraries are loaded already: `run("ask", "…").stdout`."""

    def run(*arguments, input=None, home=settings.home, env=None):
        outcome = CliRunner().invoke(cli, [*map(str, arguments), "--home", str(home)], input=input, env=env)
        if outcome.exception and not isinstance(outcome.exception, SystemExit):
            raise outcome.exception
        return SimpleNamespace(returncode=outcome.exit_code, stdout=outcome.stdout, stderr=outcome.stderr)

    return run


@pytest.fixture
def process(settings):
    """As `run`, in a process of its own, as users start it."""

    def process(*arguments, input=None, home=settings.home):
        return subprocess.run(
            [sys.executable, "-m", "chatbot", *map(str, arguments), "--home", str(home)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            input=input,
            timeout=240,
            cwd=ROOT,
        )

    return process


class ScriptedEngine:
    """An engine that says what it is told to: only for making failures happen."""

    name = "scripted"
    prompt_bytes = 4000
    prompt_tokens = 7

    def __init__(self, *pieces, error=None):
        self.pieces = pieces
        self.error = error
        self.prompts = []
        self.closed = False

    def stream(self, prompt, max_tokens, asker=""):
        self.prompts.append(prompt)
        try:
            yield from self.pieces
            if self.error:
                raise self.error
        finally:
            self.closed = True
