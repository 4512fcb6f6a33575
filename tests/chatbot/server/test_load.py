"""Many people and one language model: a real server with the real model, which is busy most of the time here."""

import json
import socket
import threading

import httpx
import pytest

from ingest.pipeline import ingest
from knowledge.store import Store
from tests.conftest import make_settings
from tests.server import Server

PETS = {
    "Rex": "dog", "Mimi": "cat", "Polly": "parrot", "Bubbles": "goldfish",
    "Shelly": "tortoise", "Hoppy": "rabbit", "Stripes": "zebra", "Honey": "bear",
}  # fmt: skip
LONG = "When does the boiler hum, in every detail?"


@pytest.fixture(scope="module")
def server(tmp_path_factory, models):
    settings = make_settings(tmp_path_factory.mktemp("busy"), models)
    # so much to read that the model takes seconds
    humming = " ".join(f"The boiler of house {n} hums {'and hums ' * 50}in May." for n in range(6))
    pets = "\n".join(f"## {name}\n{name} belongs to the neighbours and is a {kind}." for name, kind in PETS.items())
    note = settings.home.parent / "busy.md"
    note.write_text(f"## Humming\n{humming}\n\n{pets}\n")
    store = Store(settings)
    ingest(store, settings, [note])
    store.close()
    server = Server(settings)
    yield server
    server.stop()


def events(server, question, user):
    """What comes in a stream of the OpenAI-compatible interface; closing it closes the connection."""
    body = {"model": "askmynotes", "messages": [{"role": "user", "content": question}], "stream": True, "user": user}
    with httpx.stream("POST", f"{server.url}v1/chat/completions", json=body, timeout=120) as answered:
        for line in answered.iter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))


def progress(stream):
    """The states that the stream tells of, with what comes beside them."""
    return (event["askmynotes"] for event in stream if "state" in event.get("askmynotes", {}))


def until(stream, **wanted):
    return next(told for told in progress(stream) if wanted.items() <= told.items())


def text(stream):
    return "".join(event["choices"][0]["delta"].get("content", "") for event in stream)


def test_people_who_ask_at_once_each_get_the_answer_to_their_own_question(server):
    answers = {}

    def ask(name):
        answers[name] = text(events(server, f"What kind of animal is {name}?", user=name))

    threads = [threading.Thread(target=ask, args=(name,)) for name in PETS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert all(f"{name} belongs to the neighbours and is a {PETS[name]}" in answers[name] for name in PETS)
    assert not [name for name in PETS for other in PETS if other != name and f"{other} belongs" in answers[name]]


def test_while_one_answer_is_written_others_search_see_their_evidence_and_their_place(server):
    first = events(server, LONG, "ann")
    until(first, state="writing")
    second, third = (events(server, f"What kind of animal is {name}?", name) for name in ("Rex", "Mimi"))
    assert until(second, state="reading")["found"][0]["heading_path"] == ["Rex"]
    until(second, state="waiting", ahead=1)
    until(third, state="waiting", ahead=2)
    hits = httpx.post(f"{server.url}api/search", json={"q": "goldfish"}, timeout=60).json()["hits"]
    assert hits[0]["heading_path"] == ["Bubbles"]
    second.close()  # leaves the queue
    until(third, state="waiting", ahead=1)
    first.close()  # ends the generation
    until(third, state="writing")
    assert "Mimi belongs to the neighbours and is a cat" in text(third)


def test_a_client_that_never_reads_holds_up_nobody(server):
    messages = [{"role": "user", "content": "What kind of animal is Polly?"}]
    body = json.dumps({"model": "askmynotes", "messages": messages, "stream": True}).encode()
    address = httpx.URL(server.url)
    with socket.create_connection((address.host, address.port)) as mute:
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.host}\r\nContent-Type: application/json\r\n"
        mute.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        mute.recv(1)  # the answer has begun
        assert "is a dog" in text(events(server, "What kind of animal is Rex?", user="ann"))
