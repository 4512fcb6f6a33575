"""One model, many people: the server under 1, 4 and 16 users at once, against the model alone in the same run."""

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
from gpt4all import GPT4All

from chatbot.answer import MAX_REPLY_TOKENS, Assistant
from ingest.pipeline import ingest
from knowledge.prompt import Prompt
from knowledge.runtime import CONTEXT_TOKENS
from knowledge.settings import DEFAULT_LANGUAGE_MODEL
from knowledge.store import Store
from tests.benchmarks.engines import generate, timed
from tests.conftest import NOTES, ScriptedEngine, make_settings, questions
from tests.server import Server

_USERS = (1, 4, 16)
_QUESTIONS = 16
_MEMORY_AFTER = (100, 500, 1000)


@dataclass(frozen=True)
class _Reply:
    """Seconds until the passages, the model's first token and the end; what was answered, and from where."""

    evidence: float
    token: float
    end: float
    answer: str
    sections: tuple[str, ...]


def load(models: Path) -> Iterator[str]:
    """Two lines for each number of users, the model alone on the same prompts and the server, in turn, so that both see
    the same machine; and one for the memory of the server."""
    with tempfile.TemporaryDirectory() as home:
        settings = make_settings(Path(home), models)
        store = Store(settings)
        ingest(store, settings, [NOTES])
        prompts = _prompts(Assistant(store, settings))
        store.close()
        model = GPT4All(DEFAULT_LANGUAGE_MODEL, model_path=models, allow_download=False, n_ctx=CONTEXT_TOKENS)
        server = Server(settings)
        try:
            yield from _under_load(server, model, prompts)
        finally:
            server.stop()
        server = Server(settings, "--engine", "extract")
        try:
            yield _memory(server)
        finally:
            server.stop()


def _prompts(assistant: Assistant) -> dict[str, Prompt]:
    """Questions about as many sections that a model is asked for, each with the prompt that it gets."""
    engine = ScriptedEngine()
    assistant._engine = engine  # type: ignore[assignment]
    found: dict[str, Prompt] = {}
    sections = set()
    for entry in questions():
        if entry.get("section") and entry["section"] not in sections and len(found) < _QUESTIONS:
            engine.prompts.clear()
            assistant.answer(entry["q"])
            if engine.prompts:
                sections.add(entry["section"])
                found[entry["q"]] = engine.prompts[0]
    return found


def _under_load(server: Server, model: GPT4All, prompts: dict[str, Prompt]) -> Iterator[str]:
    asked = list(prompts)
    timed(lambda: generate(model, prompts[asked[0]], 1))  # warms up
    _ask(server, asked[0], "warm up")
    expected: dict[str, _Reply] = {}
    for users in _USERS:
        alone = [timed(lambda each=each: generate(model, each, MAX_REPLY_TOKENS)) for each in prompts.values()]
        bare = len(alone) / sum(end for _, end, _ in alone)
        yield f"GPT4All alone, one by one: {bare:.2f} requests/s; {_times('first token', [each[0] for each in alone])}"
        started = time.perf_counter()
        replies = _at_once(users, lambda user, asked=asked, users=users: _ask_all(server, asked[user::users], user))
        seconds = time.perf_counter() - started
        expected = expected or replies
        same = sum(
            (reply.answer, reply.sections) == (expected[question].answer, expected[question].sections)
            for question, reply in replies.items()
        )
        yield (
            f"users at once: {users}: {len(replies) / seconds:.2f} requests/s, "
            f"{len(replies) / seconds / bare:.2f} x GPT4All alone; "
            f"{_times('evidence', [reply.evidence for reply in replies.values()])}, "
            f"{_times('first token', [reply.token for reply in replies.values()])}; "
            f"{len(asked) - len(replies)} failed, {same} of {len(asked)} answered as to one user"
        )


def _at_once(users: int, ask: Callable[[int], dict[str, _Reply]]) -> dict[str, _Reply]:
    with ThreadPoolExecutor(users) as threads:
        return {question: reply for replies in threads.map(ask, range(users)) for question, reply in replies.items()}


def _ask_all(server: Server, asked: Sequence[str], user: int) -> dict[str, _Reply]:
    """One question after the other; those that fail are left out."""
    replies = {}
    for question in asked:
        try:
            replies[question] = _ask(server, question, f"user {user}")
        except (httpx.HTTPError, KeyError, ValueError):
            continue
    return replies


def _ask(server: Server, question: str, user: str) -> _Reply:
    body = {"model": "askmynotes", "messages": [{"role": "user", "content": question}], "stream": True, "user": user}
    started = time.perf_counter()
    evidence = 0.0
    text = ""
    told: dict = {}
    with httpx.stream("POST", f"{server.url}v1/chat/completions", json=body, timeout=600) as answered:
        for line in answered.raise_for_status().iter_lines():
            if line.startswith("data: {"):
                event = json.loads(line.removeprefix("data: "))
                told = event.get("askmynotes", told)
                text += event["choices"][0]["delta"].get("content", "")
                evidence = evidence or ("found" in told) * (time.perf_counter() - started)
    sections = tuple(citation["heading_path"][-1] for citation in told["citations"])
    return _Reply(evidence, told["timings_ms"]["first_token"] / 1000, time.perf_counter() - started, text, sections)


def _memory(server: Server) -> str:
    """The memory of the server, which quotes, after so many questions."""
    asked = [entry["q"] for entry in questions()]
    told = []
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for number in range(1, _MEMORY_AFTER[-1] + 1):
            # each of another conversation, so that nothing is answered from what is remembered
            question = f"{asked[number % len(asked)]} ({number})"
            client.post("/api/ask", json={"question": question}).raise_for_status()
            if number in _MEMORY_AFTER:
                resident = subprocess.run(["ps", "-o", "rss=", "-p", str(server.process.pid)], capture_output=True)
                told.append(f"{int(resident.stdout) // 1024} MB after {number:,}")
    return f"memory of the server by the number of questions: {', '.join(told)}"


def _times(name: str, seconds: Sequence[float]) -> str:
    """The median and the 95th percentile."""
    ordered = sorted(seconds)
    return f"{name} {statistics.median(ordered):.2f} s (95th {ordered[int(0.95 * (len(ordered) - 1))]:.2f} s)"
