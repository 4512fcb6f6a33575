"""What a running server works with."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chatbot.answer import Assistant
from chatbot.engines import Engine, load_engine
from chatbot.ingest_job import IngestJob
from knowledge.errors import NotesError
from knowledge.history import History
from knowledge.reranker import Reranker, load_reranker
from knowledge.settings import Refused, Settings, changed, save
from knowledge.store import Store

_CHOICE = {"engine", "model", "adapter"}
_SERVER = {"openai_url", "openai_model", "openai_key", "allow_public_engine"}


@dataclass
class Service:
    """One of each, shared by the page and the APIs; all may be used from several threads."""

    settings: Settings
    store: Store
    assistant: Assistant
    job: IngestJob
    history: History
    _changing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Keep these settings in `config.toml` and work by them from now on; None goes back to a default.

        Raises Refused where one of them cannot be, models that cannot be loaded included, and NotesError where they
        cannot be kept; then nothing has changed.
        """
        with self._changing:
            settings = changed(self.settings, changes)
            engine = _engine(settings, changes.keys())
            reranker = _reranker(settings) if "reranker" in changes else None
            save(settings.home, changes)
            self.settings = settings
            self.job.use(settings)
            if changes.keys() & (_CHOICE | _SERVER | {"answer_seconds"}):
                self.assistant.use(settings, engine)
            if "reranker" in changes:
                self.store.use(settings, reranker)


def _engine(settings: Settings, keys: Any) -> Engine | None:
    """The engine, where another one is chosen; else what has become of it is told with the next question."""
    try:
        if keys & _SERVER:
            load_engine(settings, "openai")
    except NotesError as error:
        raise Refused("openai_key" if "openai_key" in str(error) else "openai_url", str(error)) from error
    try:
        return load_engine(settings, settings.engine) if keys & _CHOICE else None
    except NotesError as error:
        raise Refused("model" if settings.engine == "gpt4all" else "engine", str(error)) from error


def _reranker(settings: Settings) -> Reranker | None:
    try:
        return load_reranker(settings.reranker, settings.models) if settings.reranker else None
    except NotesError as error:
        raise Refused("reranker", str(error)) from error
