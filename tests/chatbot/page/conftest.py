"""What a running server works with, without the server."""

import pytest

from chatbot.answer import Assistant
from chatbot.ingest_job import IngestJob
from chatbot.service import Service
from knowledge.history import History


@pytest.fixture
def service(store, settings):
    return Service(settings, store, Assistant(store, settings), IngestJob(settings), History(settings.home))
