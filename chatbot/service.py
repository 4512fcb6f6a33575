"""What a running server works with."""

from dataclasses import dataclass

from chatbot.answer import Assistant
from chatbot.ingest_job import IngestJob
from knowledge.history import History
from knowledge.settings import Settings
from knowledge.store import Store


@dataclass(frozen=True)
class Service:
    """One of each, shared by the page and the APIs; all may be used from several threads."""

    settings: Settings
    store: Store
    assistant: Assistant
    job: IngestJob
    history: History
