"""Find out what keeps the program from working here."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from knowledge.encoder import encoder_name, load_encoder
from knowledge.errors import NotesError
from knowledge.models import BASE_LANGUAGE_MODEL, default_embedding_model, default_language_model
from knowledge.reranker import load_reranker
from knowledge.settings import DEFAULT_EMBEDDING_MODEL, DEFAULT_LANGUAGE_MODEL, Settings
from knowledge.store import Store


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `remedy` is the command that mends it, None where all is well."""

    subject: str
    state: str
    remedy: str | None = None


def examine(settings: Settings) -> list[Finding]:
    embedding = _embedding_model(settings)
    return [
        _python(),
        *_packages(),
        _full_text_search(),
        Finding("home folder", str(settings.home)),
        embedding,
        *([_reranker(settings)] if settings.reranker else []),
        _language_model(settings),
        _index(settings, is_comparable=embedding.remedy is None),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", version, None if supported else "install Python 3.11, 3.12 or 3.13, then `make chat`")


def _packages() -> Iterator[Finding]:
    missing = []
    for requirement in metadata.requires("askmynotes") or ():
        name, _, marker = requirement.partition(";")
        if "extra" in marker:
            continue
        name = name.split("[")[0].strip()
        for sign in "<>=!~ (":
            name = name.split(sign)[0]
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    remedy = f"{sys.executable} -m pip install {' '.join(missing)}" if missing else None
    yield Finding("packages", f"missing: {', '.join(missing)}" if missing else "all there", remedy)
    try:
        metadata.version("pip")
    except metadata.PackageNotFoundError:
        yield Finding("pip", "missing: it fetches the models", f"{sys.executable} -m ensurepip")


def _full_text_search() -> Finding:
    try:
        sqlite3.connect(":memory:").execute("CREATE VIRTUAL TABLE probe USING fts5 (text)")
    except sqlite3.OperationalError:
        return Finding("SQLite full-text search", "missing", "install Python from python.org: its SQLite has it")
    return Finding("SQLite full-text search", f"there (SQLite {sqlite3.sqlite_version})")


def _embedding_model(settings: Settings) -> Finding:
    subject = "embedding model"
    if settings.embedding_model == DEFAULT_EMBEDDING_MODEL:
        model = default_embedding_model(settings.models)
        return Finding(subject, model.problem or model.name, "askmynotes models install" if model.problem else None)
    try:
        load_encoder(encoder_name(settings.embedding_model, settings.models), settings.models)
    except NotesError as error:
        return Finding(subject, str(error), f"set or remove embedding_model in {settings.config}")
    return Finding(subject, settings.embedding_model)


def _reranker(settings: Settings) -> Finding:
    try:
        load_reranker(settings.reranker, settings.models)
    except NotesError as error:
        return Finding("reranker", str(error), f"set or remove reranker in {settings.config}")
    return Finding("reranker", settings.reranker)


def _language_model(settings: Settings) -> Finding:
    subject = "language model"
    if settings.engine == "extract":
        return Finding(subject, "not used: the engine is extract")
    if settings.engine == "openai":
        return _asked_server(settings)
    if settings.engine == "lora":
        return _adapter(settings)
    if settings.model == DEFAULT_LANGUAGE_MODEL:
        model = default_language_model(settings.models)
        return Finding(subject, model.problem or model.name, "askmynotes models install" if model.problem else None)
    inside = settings.models / settings.model
    there = inside.is_file() or Path(settings.model).expanduser().is_file()
    remedy = None if there else f"set model in {settings.config} to a GGUF file"
    return Finding(subject, settings.model if there else f"{settings.model} is not there", remedy)


def _asked_server(settings: Settings) -> Finding:
    from chatbot.engines.openai import OpenAIEngine

    try:
        return Finding("language model", f"{OpenAIEngine(settings).check()} at {settings.openai_url}")
    except NotesError as error:
        remedy = f"set engine and openai_... in {settings.config}, or start the server"
        return Finding("language model", str(error), remedy)


def _adapter(settings: Settings) -> Finding:
    from chatbot.engines.lora import find

    subject = "language model"
    try:
        base, adapter = find(settings)
    except NotesError as error:
        return Finding(subject, str(error), f"set engine or adapter in {settings.config}")
    if base.exists():
        return Finding(subject, f"{adapter} on {base.name}")
    remedy = "askmynotes models install" if base.name == BASE_LANGUAGE_MODEL else f"put it into {settings.models}"
    return Finding(subject, f"{base}, which {adapter} was made on, is not there", remedy)


def _index(settings: Settings, is_comparable: bool) -> Finding:
    """What the index holds, and where that can be told, whether it is as it would be made now."""
    from ingest.pipeline import is_current

    try:
        with closing(Store(settings)) as store:
            documents, chunks = store.counts()
            current = is_current(store)
            made_with = store.made_with
    except NotesError as error:
        return Finding("index", str(error), "do as it says, then run `askmynotes doctor` again")
    if not chunks:
        return Finding("index", "empty", "askmynotes ingest PATH")
    state = f"{chunks} passages from {documents} documents"
    if current or not is_comparable:
        return Finding("index", state)
    return Finding("index", f"{state}, made otherwise than is set now ({made_with})", "askmynotes ingest")
