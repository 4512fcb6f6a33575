"""The interface of OpenAI's chat and embeddings, so that tools made for it can ask the notes.

A reply carries one field more, `askmynotes`: the route, the citations, the links and whether it is grounded, as
`askmynotes ask --json` prints them; in a stream it comes with the last piece. Before that, pieces without text carry
in the same field how far the answer is: its `state`, while it waits how many answers to others are `ahead`, and as soon
as they are known the passages that were `found`, as `/api/search` gives them. The reference:
https://platform.openai.com/docs/api-reference
"""

import base64
import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse

from chatbot.markdown import answer_markdown, words
from chatbot.records import hit_record
from chatbot.server.api import ANSWERS, client, complete
from chatbot.server.conversation import Conversations, following
from knowledge.errors import NotesError

if TYPE_CHECKING:
    from chatbot.answer import Answer
    from knowledge.store import Store

MODEL = "askmynotes"
_EXTENSION = ("route", "intent", "short_answer", "citations", "links", "grounded", "engine", "timings_ms")


class TextPart(BaseModel):
    """A piece of a message; only text can be asked."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """A turn of the conversation. What a tool says of itself (system) and earlier replies change no answer: answers
    come from the notes."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    """A conversation that ends with a question. Settings of sampling are accepted and have no effect: the likeliest
    words are taken. `user` names the person who asks: people take turns at the language model."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=200)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=1)] = 1
    user: Annotated[str, Field(max_length=200)] | None = None


class EmbeddingsRequest(BaseModel):
    """Texts to be embedded as the notes are."""

    model: str
    input: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=256)]
    )
    encoding_format: Literal["float", "base64"] = "float"


class _Refusal(BaseModel):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Refused(BaseModel):
    """A refusal as OpenAI's clients read it."""

    error: _Refusal


class _Route(APIRoute):
    """A route that tells in OpenAI's form what is not valid."""

    def get_route_handler(self) -> Any:
        from fastapi.exceptions import RequestValidationError

        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"] if part != "body")
                return refused(400, f"{where}: {first['msg']}", where)

        return told


def refusal(path: str, status: int, message: str) -> Response:
    """A refusal in the form of the interface that a path belongs to."""
    return refused(status, message) if path.startswith("/v1/") else JSONResponse({"detail": message}, status)


def refuse(request: Request, error: Exception) -> Response:
    """What is answered to an HTTP error, also to one that comes before any route: a path with a line break in it, a
    body that is no text."""
    assert isinstance(error, StarletteHTTPException)
    told = refusal(request.scope["path"], error.status_code, str(error.detail))
    told.headers.update(error.headers or {})
    return told


def refused(status: int, message: str, param: str | None = None) -> Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = _Refusal(message=message, type=kind, param=param)
    return JSONResponse(Refused(error=error).model_dump(), status)


def router(conversations: Conversations, store: "Store") -> APIRouter:
    """The routes of `/v1`."""
    refusals: dict[int | str, dict[str, Any]] = {status: {"model": Refused} for status in (400, 404)}
    refusals |= {422: {"model": Refused, "description": "Never sent: what is not valid is answered with 400"}}
    embedding = Path(store.encoder_name.partition(" (")[0]).name
    routes = APIRouter(prefix="/v1", tags=["OpenAI-compatible"], route_class=_Route, responses=refusals)

    @routes.get("/models")
    def models() -> dict[str, Any]:
        """The two models: one that answers, and the one that embeds."""
        return {"object": "list", "data": [_model(name) for name in (MODEL, embedding)]}

    @routes.get("/models/{name:path}")
    def model(name: str) -> dict[str, Any]:
        """One of them."""
        if name not in (MODEL, embedding):
            raise HTTPException(404, f"there is no model {name!r}: there are {MODEL} and {embedding}")
        return _model(name)

    @routes.post("/chat/completions", response_model=None)
    async def chat(asked: ChatRequest, request: Request) -> dict[str, Any] | Response:
        """An answer from the notes to the last message, with its sources."""
        if asked.model != MODEL:
            raise HTTPException(404, f"there is no model {asked.model!r} to chat with: there is {MODEL}")
        *after, question = _questions(asked.messages)
        asker = client(request, asked.user or "")
        if asked.stream:
            with_usage = bool(asked.stream_options and asked.stream_options.include_usage)
            pieces = _pieces(following(conversations.stream(question, after, asker)), store, with_usage)
            return StreamingResponse(pieces, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        return _completion(await complete(conversations, question, after, request, asker))

    @routes.post("/embeddings", responses={503: {"model": Refused}})
    def embeddings(asked: EmbeddingsRequest) -> dict[str, Any]:
        """Unit vectors of texts, made as those of the notes are."""
        if asked.model != embedding:
            raise HTTPException(404, f"there is no model {asked.model!r} that embeds: there is {embedding}")
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        try:
            encoder = store.encoder
        except NotesError as error:
            raise HTTPException(503, str(error)) from error
        vectors = encoder.encode(texts).astype("<f4")
        data = [
            base64.b64encode(vector.tobytes()).decode() if asked.encoding_format == "base64" else vector.tolist()
            for vector in vectors
        ]
        return {
            "object": "list",
            "model": asked.model,
            "data": [{"object": "embedding", "index": number, "embedding": each} for number, each in enumerate(data)],
            "usage": {"prompt_tokens": 0, "total_tokens": 0},
        }

    return routes


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "askmynotes"}


def _questions(messages: list[Message]) -> list[str]:
    """What the person asked, in order. Raises HTTPException where the last message is no question."""
    asked = [" ".join(message.text.split()) for message in messages if message.role == "user"]
    if messages[-1].role != "user" or not asked[-1]:
        raise HTTPException(400, "messages: the last one must be a question of the user")
    return [question for question in asked if question]


def _completion(answer: "Answer") -> dict[str, Any]:
    message = {"role": "assistant", "content": answer_markdown(answer) + _sources(answer), "refusal": None}
    return {
        **_head("chat.completion"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _usage(answer),
        "askmynotes": _extension(answer),
    }


async def _pieces(answers: "AsyncGenerator[Answer]", store: "Store", with_usage: bool) -> AsyncIterator[str]:
    """The events of a stream. A client that goes away ends the generation."""
    head = _head("chat.completion.chunk")

    def event(delta: dict[str, str], finish: str | None = None, **more: object) -> str:
        choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        return _event({**head, "choices": choices, **more})

    answer: Answer | None = None
    sent = ""
    told: dict[str, object] = {}
    yield event({"role": "assistant", "content": ""})
    try:
        async with aclosing(answers):
            async for answer in answers:
                if (progress := _progress(answer)) and progress != told:
                    found = {"found": _found(answer, store)} if answer.state == "reading" else {}
                    yield event({}, askmynotes={**progress, **found})
                    told = progress
                if new := answer_markdown(answer)[len(sent) :]:
                    sent += new
                    yield event({"content": new})
    except NotesError as error:
        refusal = _Refusal(message=str(error), type="invalid_request_error")
        yield _event(Refused(error=refusal).model_dump())
        answer = None  # what came of it is none
    if answer:
        if sources := _sources(answer):
            yield event({"content": sources})
        yield event({}, "stop", askmynotes=_extension(answer))
        ANSWERS.labels(answer.route, answer.engine).inc()
        if with_usage:
            yield _event({**head, "choices": [], "usage": _usage(answer)})
    yield "data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _head(kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": MODEL}


def _usage(answer: "Answer") -> dict[str, int]:
    prompt, completion = answer.tokens["prompt"], answer.tokens["completion"]
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _progress(answer: "Answer") -> dict[str, object]:
    """How far an answer under way is; nothing for one that is complete."""
    return {"state": answer.state, "ahead": answer.ahead} if answer.state != "done" else {}


def _found(answer: "Answer", store: "Store") -> list[dict[str, object]]:
    return [hit_record(rank, hit, store) for rank, hit in enumerate(answer.sections, start=1)]


def _extension(answer: "Answer") -> dict[str, object]:
    told = answer.as_dict()
    return {key: told[key] for key in _EXTENSION}


def _sources(answer: "Answer") -> str:
    """The places behind the numbers, for tools that show the text alone."""
    lines = [
        f"[{each.n}] {words(each.location)}" + (f" – {words(each.chunk.heading)}" if each.chunk.heading else "")
        for each in answer.citations
    ]
    return "\n\n" + "\n".join(lines) if lines else ""
