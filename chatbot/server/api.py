"""The HTTP API: search, ask, sources, ingest, health and metrics."""

import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from pydantic import BaseModel, Field, TypeAdapter
from starlette.responses import JSONResponse, Response

from chatbot.answer import Answer
from chatbot.markdown import conversation_markdown
from chatbot.records import hit_record
from chatbot.server.conversation import Conversations, following
from knowledge.errors import NotesError
from knowledge.offline import outside

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from chatbot.service import Service
    from knowledge.history import History, Turn
    from knowledge.store import Store

VERSION = version("askmynotes")
#: What a client that went away is answered; it sees nothing of it.
_CLIENT_LEFT = 499
_ANSWERS = TypeAdapter(Answer)

Text = Annotated[str, Field(min_length=1, max_length=2000)]


def user_of(request: Request) -> str:
    """Who asks, as `LoginRequired` found out; the empty string where there is no login."""
    return request.state.user


User = Annotated[str, Depends(user_of)]


def refuse_invalid(request: Request, error: Exception) -> Response:
    """What is answered to a request that is not valid: what is wrong where, without the values, of which some (half a
    character, NaN) cannot be sent back."""
    assert isinstance(error, RequestValidationError)
    told = [{key: each[key] for key in ("type", "loc", "msg")} for each in error.errors()]
    return JSONResponse({"detail": told}, 422)


class SearchRequest(BaseModel):
    """A search; filters may stand in `q`."""

    q: Text
    k: Annotated[int, Field(ge=1, le=50)] = 5


class AskRequest(BaseModel):
    """A question; `after` are the earlier ones of the conversation, for one that leans on them."""

    question: Text
    after: Annotated[list[Text], Field(max_length=20)] = []


class IngestRequest(BaseModel):
    """What is indexed: files, folders and addresses; without any, what was ingested before. `links` fetches the pages
    that the notes link to."""

    paths: Annotated[list[Annotated[str, Field(min_length=1, max_length=4096)]], Field(max_length=100)] = []
    links: bool = False


class IngestState(BaseModel):
    """The one ingest of the server: whether it runs, and what it last told."""

    running: bool
    line: str


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str


_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The question or one of its filters cannot be"},
    403: {"description": "Another host's name, or a page of another origin"},
}


def router(conversations: Conversations, service: "Service") -> APIRouter:
    """The routes of `/api`, `/healthz` and `/metrics`."""
    store, job = service.store, service.job
    routes = APIRouter()

    @routes.post("/api/search", tags=["notes"], responses=_REFUSED)
    def search(asked: SearchRequest) -> dict[str, Any]:
        """The passages that fit a query best, as `askmynotes search --json` prints them."""
        hits = _or_400(lambda: store.search(asked.q, asked.k))
        return {"q": asked.q, "hits": [hit_record(rank, hit, store) for rank, hit in enumerate(hits, start=1)]}

    @routes.post("/api/ask", tags=["notes"], responses=_REFUSED)
    async def ask(asked: AskRequest, request: Request) -> dict[str, Any]:
        """The answer to a question, as `askmynotes ask --json` prints it."""
        answer = await complete(conversations, asked.question, asked.after, request, client(request))
        return answer.as_dict()

    @routes.get("/api/sources", tags=["notes"])
    def sources() -> list[dict[str, Any]]:
        """Every source with its state, as `askmynotes sources --json` prints them."""
        from chatbot.sources import entries

        return [asdict(entry) for entry in entries(store)]

    @routes.post("/api/ingest", tags=["notes"], status_code=202, responses={409: {"model": Problem}})
    def ingest(wanted: IngestRequest) -> IngestState:
        """Begin to index; `GET` tells how far it is."""
        if not job.start(wanted.paths, wanted.links):
            raise HTTPException(409, "an ingest is running already: wait for it, or end it with DELETE")
        return IngestState(running=True, line=job.line)

    @routes.get("/api/ingest", tags=["notes"])
    def ingest_state() -> IngestState:
        """How far the ingest is, or how the last one ended."""
        return IngestState(running=job.running, line=job.line)

    @routes.delete("/api/ingest", tags=["notes"])
    def ingest_stop() -> IngestState:
        """End the ingest; what is done is kept."""
        job.stop()
        return IngestState(running=job.running, line=job.line)

    _add_state(routes, store)
    _add_history(routes, service.history)
    return routes


def _add_state(routes: APIRouter, store: "Store") -> None:
    """Health and metrics."""

    @routes.get("/healthz", tags=["state"])
    def health(request: Request) -> dict[str, Any]:
        """Whether the server is up, and for those who may ask, what it holds."""
        if request.state.user is None:
            return {"status": "ok"}
        documents, chunks = store.counts()
        return {"status": "ok", "version": VERSION, "documents": documents, "passages": chunks}

    @routes.get("/metrics", tags=["state"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics() -> Response:
        """Counts and times for Prometheus."""
        documents, chunks = store.counts()
        DOCUMENTS.set(documents)
        PASSAGES.set(chunks)
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


def _add_history(routes: APIRouter, history: "History") -> None:
    """The conversations that the user has on the page."""
    missing: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}

    @routes.get("/api/conversations", tags=["conversations"])
    def kept(user: User) -> list[dict[str, Any]]:
        """Your conversations on the page, the last changed first."""
        return [asdict(each) for each in history.conversations(user)]

    @routes.get("/api/conversations/{name}.md", tags=["conversations"], responses=missing, response_class=Response)
    def as_markdown(name: str, user: User) -> Response:
        """A conversation as Markdown."""
        turns = _or_404(history.turns(user, name))
        text = conversation_markdown(_ANSWERS.validate_json(turn.answer) for turn in turns)
        return Response(text, media_type="text/markdown", headers={"X-Content-Type-Options": "nosniff"})

    @routes.get("/api/conversations/{name}", tags=["conversations"], responses=missing)
    def as_json(name: str, user: User) -> list[dict[str, Any]]:
        """The turns of a conversation, each with its answer as `askmynotes ask --json` prints it."""
        turns = _or_404(history.turns(user, name))
        return [{**asdict(turn), "answer": _ANSWERS.validate_json(turn.answer).as_dict()} for turn in turns]


def _or_404(turns: "list[Turn]") -> "list[Turn]":
    if not turns:
        raise HTTPException(404, "there is no such conversation")
    return turns


def _or_400(call: Any) -> Any:
    try:
        return call()
    except NotesError as error:
        raise HTTPException(400, str(error)) from error


def client(request: Request, person: str = "") -> str:
    """Whose turn it is at the language model: who is logged in; where nobody is, requests from one address count as
    one asker's, but for those that name the person they are for."""
    return request.state.user or f"{request.client.host if request.client else ''} {person}"


async def complete(
    conversations: Conversations, question: str, after: Sequence[str], request: Request, asker: str
) -> "Answer":
    """The whole answer, unless the client goes away: then its generation is ended."""
    last: Answer | None = None
    try:
        async with aclosing(following(conversations.stream(question, after, asker))) as answers:
            async for answer in answers:
                last = answer
                if await request.is_disconnected():
                    raise HTTPException(_CLIENT_LEFT)
    except NotesError as error:
        raise HTTPException(400, str(error)) from error
    assert last is not None
    ANSWERS.labels(last.route, last.engine).inc()
    return last


# -- metrics ---------------------------------------------------------------------------------------------------------

REGISTRY = CollectorRegistry()
REQUESTS = Counter("askmynotes_requests", "Requests by route and status", ["route", "status"], registry=REGISTRY)
SECONDS = Histogram("askmynotes_request_seconds", "Time of a request by route", ["route"], registry=REGISTRY)
ANSWERS = Counter("askmynotes_answers", "Answers of the APIs", ["route", "engine"], registry=REGISTRY)
DOCUMENTS = Gauge("askmynotes_documents", "Indexed documents", registry=REGISTRY)
PASSAGES = Gauge("askmynotes_passages", "Indexed passages", registry=REGISTRY)


class _Outside(Collector):
    """What the offline mark of the page tells, without the hosts."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        told = "Attempts to connect to another computer since start"
        yield CounterMetricFamily("askmynotes_outside_connections", told, value=outside().connections)


REGISTRY.register(_Outside())

_COUNTED: tuple[Literal["/api", "/v1", "/healthz", "/metrics", "/mcp"], ...] = (
    "/api", "/v1", "/healthz", "/metrics", "/mcp",
)  # fmt: skip


class Measured:
    """Counts the requests to the APIs and their times; of the address only the route is kept."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_COUNTED):
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.monotonic()

        async def heard(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, heard)
        finally:
            route = getattr(scope.get("route"), "path", None) or "other"
            REQUESTS.labels(route, str(status)).inc()
            SECONDS.labels(route).observe(time.monotonic() - started)
