"""The APIs as other people's programs meet them: a real server, OpenAI's client, an MCP client, Schemathesis."""

import asyncio
import json
import operator
import sys
import threading
import time

import httpx
import openai
import pytest
import schemathesis
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from chatbot.answer import Assistant
from chatbot.server.conversation import Conversations
from chatbot.server.openai_api import refuse, router
from ingest.pipeline import ingest
from knowledge.settings import DEFAULT_EMBEDDING_MODEL, Settings
from knowledge.store import Store
from tests.chatbot.engines.test_openai import Server as Engine
from tests.conftest import HOUSE, ROOT, make_settings
from tests.server import Server
from tests.web import head, trickle

QUESTION = "Who looks after the boiler?"


@pytest.fixture(scope="module")
def home(tmp_path_factory, models):
    settings = make_settings(tmp_path_factory.mktemp("served"), models)
    note = settings.home.parent / "house.md"
    note.write_text(HOUSE)
    store = Store(settings)
    ingest(store, settings, [note])
    store.close()
    return settings


@pytest.fixture(scope="module")
def url(home):
    server = Server(home, "--engine", "extract")
    yield server.url.rstrip("/")
    server.stop()


@pytest.fixture(scope="module")
def client(url):
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


def test_health_says_what_is_there(client):
    health = client.get("/healthz").json()
    assert (health["status"], health["documents"]) == ("ok", 1)
    assert health["passages"] >= 3


def test_search_and_ask_say_what_the_commands_print(client, home, run):
    hits = client.post("/api/search", json={"q": "boiler", "k": 2}).json()["hits"]
    printed = run("search", "boiler", "-k", 2, "--json", home=home.home).stdout.splitlines()
    assert hits == [json.loads(line) for line in printed]
    answer = client.post("/api/ask", json={"question": QUESTION}).json()
    assert (answer["route"], answer["grounded"]) == ("notes", True)
    assert "Hansen" in answer["answer"]
    assert answer["citations"][0]["source"].endswith("house.md")


def test_a_question_may_lean_on_the_one_before(client):
    asked = {"question": "and what does it cost?", "after": [QUESTION]}
    assert "boiler" in str(client.post("/api/ask", json=asked).json()["citations"]).lower()


def test_an_earlier_question_that_could_not_be_asked_cites_nothing(client):
    asked = {"question": "and what does it cost?", "after": [QUESTION, "boiler kind:poem"]}
    answered = client.post("/api/ask", json=asked)
    assert answered.status_code == 200, answered.text


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/search", {"q": "date:soon boiler"}, 400),
        ("/api/search", {"q": ""}, 422),
        ("/api/search", {"q": "boiler", "k": 0}, 422),
        ("/api/ask", {}, 422),
        ("/v1/chat/completions", {"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}]}, 404),
        ("/v1/chat/completions", {"model": "askmynotes", "messages": []}, 400),
        ("/v1/chat/completions", {"model": "askmynotes", "messages": [{"role": "assistant", "content": "hi"}]}, 400),
        ("/v1/embeddings", {"model": "askmynotes", "input": "hi"}, 404),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(client, path, body, status):
    answered = client.post(path, json=body)
    assert answered.status_code == status, answered.text
    told = answered.json()
    assert told["error"]["message"] if path.startswith("/v1") else told["detail"]


@pytest.mark.parametrize(
    "body", ['{"question": "\\ud800"}', '{"question": "boiler", "after": NaN}', '{"q": "\\ud800"}']
)
def test_what_cannot_be_sent_back_is_refused_all_the_same(client, body):
    answered = client.post("/api/ask", content=body, headers={"Content-Type": "application/json"})
    assert answered.status_code == 422, answered.text
    assert answered.json()["detail"][0]["msg"]


def test_what_comes_to_no_route_is_refused_in_the_form_of_its_interface(client):
    for refused in (client.get("/v1/models/a%0Ab"), client.post("/v1/embeddings", content=b'{"input": "\xff"}')):
        assert refused.status_code in (400, 404)
        assert refused.json()["error"]["message"]
    assert client.get("/api/nothing").json()["detail"]


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/sources", "/v1/models", "/openapi.json", "/mcp/", "/config"])
@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"}, {"Host": "["}, {"Origin": "http://evil.example"},
     {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}],
)  # fmt: skip
def test_another_host_and_a_page_of_another_origin_are_refused(client, path, headers):
    for method in ("GET", "POST"):
        answered = client.request(method, path, headers=headers)
        assert answered.status_code == 403
        assert "access-control-allow-origin" not in answered.headers


def test_no_answer_lets_other_origins_read_it(client, url):
    answered = client.get("/healthz", headers={"Origin": url})
    assert answered.status_code == 200
    assert "*" not in answered.headers.get("access-control-allow-origin", "")


# -- indexing ------------------------------------------------------------------------------------------------------


def ended(client):
    end = time.monotonic() + 60
    while (state := client.get("/api/ingest").json())["running"] and time.monotonic() < end:
        time.sleep(0.05)
    return state["line"]


def test_a_file_is_indexed_in_the_background_and_found(client, tmp_path):
    note = tmp_path / "garden.md"
    note.write_text("# Garden\n\n## Quinces\nThe quinces ripen in October.\n")
    assert client.post("/api/ingest", json={"paths": [str(note)]}).status_code == 202
    assert ended(client).startswith("Done: 1 added")
    assert str(note) in [entry["source"] for entry in client.get("/api/sources").json()]
    assert "October" in client.post("/api/ask", json={"question": "When do the quinces ripen?"}).json()["answer"]


def test_what_cannot_be_indexed_is_told(client, tmp_path):
    client.post("/api/ingest", json={"paths": [str(tmp_path / "nowhere.md")]})
    assert "nowhere.md" in ended(client)


# -- other people's programs ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def official(url):
    return openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)


def test_openais_client_chats(official):
    assert "askmynotes" in [model.id for model in official.models.list()]
    messages = [{"role": "system", "content": "You are a pirate."}, {"role": "user", "content": QUESTION}]
    whole = official.chat.completions.create(model="askmynotes", messages=messages, temperature=0.7, max_tokens=50)
    said = whole.choices[0].message.content
    assert "Hansen" in said
    assert "house.md" in said, "a tool that shows the text alone shows the sources"
    assert whole.model_extra["askmynotes"]["citations"][0]["n"] == 1
    messages += [{"role": "assistant", "content": said}, {"role": "user", "content": "and what does it cost?"}]
    further = official.chat.completions.create(model="askmynotes", messages=messages)
    assert "Boiler" in str(further.model_extra["askmynotes"]["citations"])


def test_openais_client_reads_a_stream_of_the_same_words(official):
    messages = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
    whole = official.chat.completions.create(model="askmynotes", messages=messages)
    options = {"include_usage": True}
    pieces = list(
        official.chat.completions.create(model="askmynotes", messages=messages, stream=True, stream_options=options)
    )
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == whole.choices[0].message.content
    assert [piece.choices[0].finish_reason for piece in pieces if piece.choices][-1] == "stop"
    assert pieces[-2].model_extra["askmynotes"]["route"] == "notes"
    assert pieces[-1].usage.total_tokens == 0  # notes were quoted: no model read anything


def test_a_stream_that_fails_tells_the_error_and_no_answer(client):
    messages = [{"role": "user", "content": "boiler kind:poem"}]
    told = client.post("/v1/chat/completions", json={"model": "askmynotes", "messages": messages, "stream": True}).text
    *_, error, done = told.strip().split("\n\n")
    assert "kind:poem is no filter" in json.loads(error.removeprefix("data: "))["error"]["message"]
    assert done == "data: [DONE]"
    assert '"stop"' not in told


def test_without_its_model_nothing_is_embedded_and_the_reason_is_told(tmp_path):
    store = Store(Settings(tmp_path))
    app = FastAPI(exception_handlers={HTTPException: refuse})
    app.include_router(router(Conversations(Assistant(store, Settings(tmp_path))), store))
    answered = TestClient(app).post("/v1/embeddings", json={"model": DEFAULT_EMBEDDING_MODEL, "input": "a kettle"})
    store.close()
    assert answered.status_code == 503
    assert "askmynotes models install" in answered.json()["error"]["message"]


def test_openais_client_embeds(official):
    model = next(model.id for model in official.models.list() if model.id != "askmynotes")
    texts = ["a kettle", "a tea kettle", "tax law"]
    near, same, far = (each.embedding for each in official.embeddings.create(model=model, input=texts).data)
    assert len(near) == 384
    assert cosine(near, same) > cosine(near, far)
    plain = official.embeddings.create(model=model, input=texts, encoding_format="float").data[0].embedding
    assert cosine(plain, near) > 0.9999
    assert len(official.embeddings.create(model=model, input="a kettle").data[0].embedding) == 384


def cosine(left, right):
    return sum(map(operator.mul, left, right))


async def _use_tools(client):
    names = {tool.name for tool in (await client.list_tools()).tools}
    found = await client.call_tool("search_notes", {"query": "boiler", "k": 1})
    answer = await client.call_tool("ask_notes", {"question": QUESTION})
    source = found.structured_content["hits"][0]["source"]
    note = await client.call_tool("read_note", {"source": source})
    missing = await client.call_tool("read_note", {"source": "/etc/passwd"})
    return names, found, answer, note, missing


def check_tools(names, found, answer, note, missing):
    assert names == {"search_notes", "ask_notes", "read_note"}
    assert "Boiler" in found.structured_content["hits"][0]["heading_path"][-1]
    assert "Hansen" in answer.structured_content["answer"]
    assert "tyres" in str(note.structured_content["sections"])
    assert missing.is_error
    assert "there is no source" in missing.content[0].text


def test_an_mcp_client_uses_the_tools_over_http(url):
    async def use():
        async with Client(f"{url}/mcp/") as client:
            return await _use_tools(client)

    check_tools(*asyncio.run(use()))


def test_an_mcp_client_uses_the_tools_over_standard_input(home):
    command = ["-m", "chatbot", "mcp", "--engine", "extract", "--home", str(home.home)]

    async def use():
        process = StdioServerParameters(command=sys.executable, args=command, cwd=str(ROOT))
        async with Client(stdio_client(process)) as client:
            return await _use_tools(client)

    check_tools(*asyncio.run(use()))


async def _leave(engine, client):
    """Ask for an answer, and take it back while the engine is at work on it."""
    engine.closed.clear()
    begun = len(engine.requests)
    async with client:
        asking = asyncio.create_task(client.call_tool("ask_notes", {"question": QUESTION}))
        while len(engine.requests) == begun:
            assert not asking.done(), asking
            await asyncio.sleep(0.02)
        asking.cancel()
        return await asyncio.to_thread(engine.closed.wait, 60)


def test_an_mcp_client_that_cancels_or_leaves_ends_the_generation(home):
    with Engine(completions=trickle(head(200), b": wait\n\n", 0.05)) as engine:
        home.config.write_text(f'openai_url = "{engine.url}"\nopenai_model = "slow"\n')
        server = Server(home, "--engine", "openai")
        try:
            for mode in ("auto", "legacy"):
                assert asyncio.run(_leave(engine, Client(f"{server.url}mcp/", mode=mode))), mode
        finally:
            server.stop()
            home.config.unlink()


def test_the_description_of_the_api_is_true(url):
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json").exclude(method="POST", path="/api/ingest")
    operations = list(map(operator.methodcaller("ok"), schema.get_all_operations()))
    asked = [operation.as_strategy() for operation in operations]
    refused = [
        operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
        for operation in operations
        if operation.method == "post"
    ]
    assert refused
    for strategy in asked + refused:

        @limits(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
        @given(case=strategy)
        def check(case):
            case.call_and_validate(base_url=url)

        check()


def test_the_description_is_a_page_that_loads_nothing_from_elsewhere(client, url):
    page = client.get("/api/docs").text
    assert "https://" not in page
    assert "http://" not in page.replace(url, "")
    for path in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert client.get(f"/api/docs/files/{path}").status_code == 200


# -- what is counted and what is left ------------------------------------------------------------------------------


def test_metrics_count_requests_and_hold_no_question(client):
    client.post("/api/ask", json={"question": "What is my secret shoe size?"})
    client.get("/v1/models/secret-shoe")
    counted = client.get("/metrics").text
    assert 'askmynotes_requests_total{route="/api/ask",status="200"}' in counted
    assert "askmynotes_passages" in counted
    assert "secret" not in counted


def test_questions_at_the_same_time_get_their_own_answers(client):
    answers = {}

    def ask(question):
        answers[question] = client.post("/api/ask", json={"question": question}).json()["answer"]

    questions = {QUESTION: "Hansen", "How hard are the bike tyres pumped?": "6 bar"}
    threads = [threading.Thread(target=ask, args=(question,)) for question in questions for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(fact in answers[question] for question, fact in questions.items())
