"""Attacks on a running server, by people who have a login too."""

import json
import os
import uuid
from contextlib import closing

import httpx
import pytest
from langchain_core.load import dumps
from pydantic import TypeAdapter

from chatbot.answer import Answer, Part
from ingest.pipeline import ingest
from knowledge.history import History
from knowledge.retriever import NotesRetriever
from tests.conftest import PASSWORD
from tests.web import WebServer

SECRET = "the walrus sleeps in the cellar"


@pytest.fixture
def client(household):
    with httpx.Client(base_url=household.url, timeout=60) as client:
        client.post("/login", data={"name": "ada", "password": PASSWORD})
        yield client


def handlers(client, *names):
    """The page's handlers that take something, by their number; all, or those of these names."""
    found = [each for each in client.get("/config").json()["dependencies"] if each["inputs"]]
    return [each for each in found if not names or each["api_name"] in names]


def trigger(client, handler, data, session, event_data=None):
    """Do what the page does for an event; returns what came of it."""
    sent = {"fn_index": handler["id"], "session_hash": session, "data": data, "event_data": event_data}
    joined = client.post("/gradio_api/queue/join", json=sent)
    if joined.status_code != 200:
        return joined.text
    told = []
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as events:
        for line in events.iter_lines():
            told.append(line)
            if '"process_completed"' in line or '"close_stream"' in line:
                break
    return "\n".join(told)


def call(client, route, body):
    """Ask as Gradio's own client does; returns what came of it."""
    answered = client.post(f"/gradio_api/{route}", json=body)
    if answered.status_code != 200 or "event_id" not in answered.json():
        return answered.text
    return client.get(f"/gradio_api/call/respond/{answered.json()['event_id']}").text


# -- T7 and T8: files ----------------------------------------------------------------------------------------------


def test_an_event_of_the_page_fetches_and_reads_no_file(client, household):
    before = client.get("/api/sources").json()
    secret = household.settings.home / "config.toml"
    secret.write_text(f"# {SECRET}\n")
    with WebServer({}) as web:
        for path in (str(secret), web.url("/secret"), "/etc/passwd"):
            file = {"path": path, "url": path, "orig_name": "a.md", "meta": {"_type": "gradio.FileData"}}
            for handler in handlers(client):
                data = [file] * len(handler["inputs"])
                told = trigger(client, handler, data, uuid.uuid4().hex[:10], {"index": 0, "value": file, "liked": True})
                assert SECRET not in told
                assert "root:" not in told
            for route in ("call/respond", "run/respond", "api/respond", "call/v2/respond"):
                told = call(client, route, {"data": [file, [], "", ""], "question": file})
                assert SECRET not in told
                assert "root:" not in told
        assert web.paths == []
    kept = [file for file in (household.settings.home / "gradio").rglob("*") if file.is_file()]
    assert not any(SECRET in file.read_text(errors="replace") for file in kept)
    assert client.get("/api/sources").json() == before
    secret.unlink()


@pytest.fixture
def links(household):
    """A link in the folder of the page's files that leads out of it."""
    folder = household.settings.home / "gradio"
    folder.mkdir(exist_ok=True)
    made = folder / "link.sqlite"
    made.symlink_to(household.settings.home / "users.sqlite")
    yield folder
    made.unlink()


def test_no_file_but_the_pages_own_is_served(client, household, links):
    home = household.settings.home
    (links / "own.txt").write_text("own")
    assert client.get(f"/gradio_api/file={links / 'own.txt'}").text == "own"
    inside = [home / name for name in ("catalogue.sqlite", "conversations.sqlite", "users.sqlite", "config.toml")]
    paths = [
        *inside, household.notes / "house.md", links / "link.sqlite", links / ".." / "users.sqlite",
        f"{links}/own.txt/../../users.sqlite", f"{links}%2f..%2fusers.sqlite", "/etc/passwd", "etc/passwd", ".env",
        "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "C:\\Windows\\win.ini", "C:/Windows/win.ini",
        "file:///etc/passwd", "//etc/passwd", "/proc/self/environ", f"{links}\0", "pyproject.toml", "",
    ]  # fmt: skip
    for path in map(str, paths):
        for route in ("/gradio_api/file=", "/gradio_api/file/", "/file=", "/file/", "/static/", "/assets/"):
            answered = client.request("GET", f"{route}{path.replace(chr(0), '%00')}")
            assert answered.status_code in (400, 403, 404), (route, path)


def test_no_address_is_fetched_for_anybody(client, household):
    before = household.outside.read_text()
    for route in ("file=", "file/", "proxy="):
        for address in ("http://192.0.2.1/x", "https://evil.example/x", "http://evil.hf.space/x"):
            assert client.get(f"/gradio_api/{route}{address}").status_code == 403
    assert household.outside.read_text() == before == "", "nor has anything else been"


def test_nothing_can_be_uploaded(client, household):
    for name in ("../../x.md", "/tmp/x.md", "x\0.md", "a.md"):
        answered = client.post("/gradio_api/upload", files={"files": (name, b"words of an attacker")})
        assert answered.status_code == 413, name
    found = [file for file in household.settings.home.rglob("*") if file.is_file() and not file.is_symlink()]
    assert not any(b"words of an attacker" in file.read_bytes() for file in found)


# -- T10: other sites ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://notes.example"},
     {"Host": "notes.example", "Origin": "http://127.0.0.1"}],
)  # fmt: skip
def test_another_site_reaches_nothing_with_a_login_either(client, headers):
    for route in ("/", "/login", "/logout", "/healthz", "/api/ask", "/v1/models", "/mcp/", "/gradio_api/queue/join"):
        for method in ("GET", "POST", "OPTIONS"):
            answered = client.request(method, route, headers=headers)
            assert answered.status_code == 403, (method, route)
            assert "access-control-allow-origin" not in answered.headers
    assert client.get("/api/sources").status_code == 200, "nobody was logged out"


def test_no_answer_may_be_read_or_framed_by_other_origins(client, household):
    for route in ("/", "/login", "/healthz", "/config", "/v1/models", "/gradio_api/info", "/theme.css"):
        answered = client.get(route, headers={"Origin": household.url})
        assert answered.status_code < 400
        assert answered.headers.get("access-control-allow-origin", household.url) == household.url
        assert answered.headers["x-frame-options"] == "DENY"


# -- T12: LangChain's own form --------------------------------------------------------------------------------------


def test_what_looks_like_a_langchain_object_stays_text(store, settings, tmp_path, monkeypatch):
    monkeypatch.setenv("CANARY", SECRET)
    planted = {"lc": 1, "type": "secret", "id": ["CANARY"], "kwargs": {}}
    note = tmp_path / "n.md"
    note.write_text(
        f"---\ntags: [{json.dumps(planted)}]\nlc: 1\n---\n## Boiler\nThe boiler says {json.dumps(planted)}.\n"
    )
    ingest(store, settings, [note])
    [found] = NotesRetriever(store=store, k=1).invoke("boiler")
    assert json.dumps(planted) in found.page_content
    assert SECRET not in dumps(found) + str(found)
    answers = TypeAdapter(Answer)
    answer = Answer("q", parts=(Part("say", json.dumps(planted)),))
    assert answers.validate_json(answers.dump_json(answer)) == answer


# -- T13: sessions ---------------------------------------------------------------------------------------------------


def test_what_happens_in_one_session_is_not_in_another(client, household):
    [respond] = handlers(client, "respond")[:1]
    with httpx.Client(base_url=household.url, timeout=60) as other:
        other.post("/login", data={"name": "bo", "password": PASSWORD})
        told = trigger(client, respond, ["Who looks after the boiler?", None, None, "", None], "session-ada")
        assert "Hansen" in told
        told = trigger(other, respond, ["How hard are the bike tyres pumped?", None, None, "", None], "session-bo")
        assert "6 bar" in told
        assert "Who looks after the boiler?" not in told
    kept = {name: _conversations(household, name) for name in ("ada", "bo")}
    assert "Who looks after the boiler?" in kept["ada"]
    assert "How hard are the bike tyres pumped?" in kept["bo"]
    assert not kept["ada"] & kept["bo"]


def _conversations(household, name):
    key = {"Authorization": f"Bearer {household.keys[name]}"}
    return {each["title"] for each in httpx.get(f"{household.url}/api/conversations", headers=key).json()}


def test_another_users_conversation_can_be_neither_opened_nor_changed_on_the_page(client, household):
    with closing(History(household.settings.home)) as history:
        name = history.put("bo", "", 0, SECRET, TypeAdapter(Answer).dump_json(Answer(SECRET)).decode())
        for handler in handlers(client, "picked", "delete", "rename", "named", "restore"):
            data = {1: [""], 2: [name, ""], 3: [name, "Mine", ""]}.get(len(handler["inputs"]), [name])
            told = trigger(client, handler, data, uuid.uuid4().hex[:10], {"index": 0, "value": name})
            assert SECRET not in told
        assert [each.title for each in history.conversations("bo") if each.id == name] == [SECRET]


# -- T16: what is printed ---------------------------------------------------------------------------------------------


def test_nothing_that_was_asked_noted_or_entrusted_is_printed(client, household):
    """Not even where a request fails inside, in a way that quotes it."""
    with closing(History(household.settings.home)) as history:
        broken = history.put("ada", "", 0, f"Is it true that {SECRET}?", json.dumps({"question": 7, SECRET: SECRET}))
    asked = f"Is it so that {SECRET}?"
    client.post("/api/ask", json={"question": asked, "after": [asked]})
    client.post("/api/search", json={"q": asked})
    client.post("/v1/chat/completions", json={"model": SECRET, "messages": [{"role": "user", "content": asked}]})
    client.post("/login", data={"name": "ada", "password": f"{PASSWORD} not"})
    assert client.get(f"/api/conversations/{broken}").status_code == 500
    [picked] = handlers(client, "picked")[:1]
    told = trigger(client, picked, [""], uuid.uuid4().hex[:10], {"index": 0, "value": broken})
    assert "Something went wrong inside askmynotes" in told

    printed = household.errors.read_text()
    assert printed.count("A request failed inside askmynotes") >= 2, "a fault is told, with its place"
    assert "ValidationError" in printed
    for word in ("walrus", "Hansen", PASSWORD, *household.keys.values()):
        assert word not in printed


def test_no_file_of_the_home_folder_holds_a_password_or_a_key(household):
    for folder, _, names in os.walk(household.settings.home):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                held = file.read()
            for secret in (PASSWORD, *household.keys.values()):
                assert secret.encode() not in held, name
