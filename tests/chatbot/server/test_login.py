"""The login as people and programs meet it: a real server that listens on every address of this machine."""

import asyncio
import socket
from contextlib import closing

import httpx
import openai
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from chatbot.server.attempts import Attempts, network
from chatbot.server.guards import OwnNamesOnly
from chatbot.server.login import SESSION_SECONDS, LoginRequired, Sessions
from chatbot.server.users import Users
from knowledge.history import History
from tests.conftest import PASSWORD

PAGE = {"Accept": "text/html"}
ROUTES = (
    "/", "/config", "/theme.css", "/metrics", "/openapi.json", "/api/docs", "/api/docs/files/swagger-ui.css",
    "/api/sources", "/api/search", "/api/ask", "/api/ingest", "/api/conversations", "/v1/models",
    "/v1/chat/completions", "/mcp", "/mcp/",
    "/gradio_api/info", "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/upload",
    "/gradio_api/call/respond", "/gradio_api/run/respond", "/gradio_api/heartbeat/x", "/gradio_api/file=/etc/passwd",
    "/gradio_api/startup-events", "/gradio_api/reset", "/gradio_api/cancel", "/monitoring", "/nowhere", "//login",
    "/login/", "/healthz/", "/LOGIN", "/login/../api/sources",
)  # fmt: skip


@pytest.fixture
def client(household):
    with httpx.Client(base_url=household.url, timeout=60) as client:
        yield client


def log_in(client, name="ada", password=PASSWORD, **more):
    return client.post("/login", data={"name": name, "password": password, **more})


def from_address(household, address):
    return httpx.Client(base_url=household.url, timeout=60, transport=httpx.HTTPTransport(local_address=address))


def test_nothing_but_the_form_is_shown_without_a_login(client):
    for route in ROUTES:
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
            answered = client.request(method, route)
            assert answered.status_code == 401, (method, route)
            assert answered.headers["www-authenticate"] == "Bearer"
    assert client.get("/healthz").json() == {"status": "ok"}, "no word of what is there"
    form = client.get("/login")
    assert form.status_code == 200
    assert "script" not in form.text
    assert "default-src 'none'" in form.headers["content-security-policy"]


def test_a_person_logs_in_and_is_where_they_wanted_to_go(client):
    sent = client.get("/api/docs?a=1&b=%2F", headers=PAGE)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2Fapi%2Fdocs%3Fa%3D1%26b%3D%252F")
    form = client.get(sent.headers["location"])
    assert 'value="/api/docs?a=1&amp;b=%2F"' in form.text
    answered = log_in(client, " Ada ", next="/api/docs?a=1&b=%2F")
    assert (answered.status_code, answered.headers["location"]) == (303, "/api/docs?a=1&b=%2F")
    cookie = answered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    assert client.get("/api/sources").status_code == 200
    assert client.get("/healthz").json()["documents"] >= 1
    assert client.get("/login", headers=PAGE).status_code == 303, "there is nothing to log in to"


def test_behind_a_proxy_that_speaks_https_the_cookie_is_for_https_alone(client):
    reached = {"Host": "notes.example", "Origin": "https://notes.example"}
    answered = client.post("/login", data={"name": "ada", "password": PASSWORD}, headers=reached)
    assert "secure" in answered.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "\\\\evil.example",
     "evil.example", "javascript:alert(1)", "/\r\nSet-Cookie: a=b", "/x\\..", ""],
)  # fmt: skip
def test_a_login_leads_to_no_other_place(client, wanted):
    log_in(client)
    assert client.get("/login", params={"next": wanted}).headers["location"] == "/"


def test_a_login_that_fails_says_the_same_of_any_name(household):
    with from_address(household, "127.0.0.2") as client:
        told = [log_in(client, name, "wrong horse") for name in ("ada", "nobody")]
        assert [answered.status_code for answered in told] == [401, 401]
        assert told[0].text.replace("ada", "nobody") == told[1].text
        assert 'role="alert"' in told[0].text
        assert log_in(client, "ada", "").status_code == 400
        assert "<b>" not in log_in(client, '"><b>', "wrong horse").text
        assert client.post("/login", content=b"name=ada&password=" + b"x" * 100_000).status_code == 400
        assert "set-cookie" not in told[0].headers


def test_after_some_failures_one_has_to_wait(household):
    with from_address(household, "127.0.0.3") as client:
        for number in range(5):
            spoofed = {"X-Forwarded-For": f"10.0.0.{number}"}
            sent = {"name": f"nobody{number}", "password": "wrong horse"}
            assert client.post("/login", data=sent, headers=spoofed).status_code == 401
        answered = log_in(client)
        assert answered.status_code == 429, "the right password too: the address has to wait"
        assert int(answered.headers["retry-after"]) >= 1
        assert "Too many attempts: wait" in answered.text
        assert client.get("/api/sources", auth=("ada", PASSWORD)).status_code == 429
        own_key = {"Authorization": f"Bearer {household.keys['ada']}"}
        assert client.get("/api/sources", headers=own_key).status_code == 200
    with from_address(household, "127.0.0.4") as other:
        assert log_in(other).status_code == 303
        for name in ("Eve", " eve", "eve ", "EVE", "eve"):
            log_in(other, name, "wrong horse")
    with from_address(household, "127.0.0.5") as third:
        assert log_in(third, "eve").status_code == 429, "a name has to wait, wherever it is tried"


def test_attempts_at_the_same_time_are_counted_too(household):
    async def attempt():
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.6")
        async with httpx.AsyncClient(base_url=household.url, timeout=60, transport=transport) as client:
            sent = [client.post("/login", data={"name": "mallory", "password": str(n)}) for n in range(12)]
            return [answered.status_code for answered in await asyncio.gather(*sent)]

    told = asyncio.run(attempt())
    assert sorted(told)[:5] == [401] * 5
    assert told.count(429) >= 6


def test_the_wait_grows_ends_and_is_forgotten():
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    waits = []
    for _ in range(12):
        attempts.failed("name ada", "10.0.0.1")
        waits.append(attempts.wait("name ada", "10.0.0.2"))
        now[0] += waits[-1]
        assert attempts.wait("name ada") == 0
    assert waits == [0, 0, 0, 0, 2, 4, 8, 16, 32, 60, 60, 60]
    attempts.succeeded("name ada")
    attempts.failed("name ada", "10.0.0.1")
    assert attempts.wait("name ada") == 0
    assert attempts.wait("10.0.0.1") == 60
    now[0] += 4000
    attempts.failed("10.0.0.1")
    assert attempts.wait("10.0.0.1") == 0
    for number in range(20_000):
        attempts.failed(f"name {number}")
    assert len(attempts._failures) <= 10_000


def test_of_ipv6_half_an_address_counts():
    assert network("2001:db8::1") == network("2001:db8::ffff:1") != network("2001:db8:0:1::1")
    assert network("::ffff:10.0.0.1") == network("10.0.0.1") != network("10.0.0.2")


def test_logging_out_ends_the_session_for_good(client):
    log_in(client)
    taken = dict(client.cookies)
    assert client.get("/logout", headers=PAGE).status_code == 303
    assert client.get("/api/sources").status_code == 200, "a link or an image cannot log anybody out"
    answered = client.post("/logout")
    assert (answered.status_code, answered.headers["location"]) == (303, "/login")
    assert httpx.get(f"{client.base_url}/api/sources", cookies=taken).status_code == 401


def test_sessions_end_with_time_with_a_new_password_and_with_the_user(tmp_path):
    now = [0.0]
    with closing(Users(tmp_path)) as users:
        users.add("ada", PASSWORD)
        sessions = Sessions(users, lambda: now[0])
        old = sessions.begin("ada")
        now[0] += SESSION_SECONDS - 1
        assert sessions.user(old) == "ada"
        now[0] += 1
        assert sessions.user(old) is None
        token = sessions.begin("ada")
        assert len(sessions._sessions) == 1, "what has ended is not kept"
        users.set_password("ada", "battery staple")
        assert sessions.user(token) is None
        token = sessions.begin("ada")
        users.remove("ada")
        assert sessions.user(token) is sessions.begin("ada") is None
        users.add("ada", PASSWORD)
        assert sessions.user(token) is None, "another person of the same name"


async def _anybody(scope, receive, send):
    await PlainTextResponse(f"user {scope['state']['user']!r}")(scope, receive, send)


@pytest.mark.parametrize(("only_loopback", "status"), [(True, 200), (False, 401)])
def test_on_loopback_a_login_is_needed_as_soon_as_there_are_users(tmp_path, only_loopback, status):
    with closing(Users(tmp_path)) as users, closing(Users(tmp_path)) as elsewhere:
        client = TestClient(LoginRequired(_anybody, users, only_loopback))
        assert client.get("/api/sources").status_code == status
        elsewhere.add("ada", PASSWORD)
        assert client.get("/api/sources").status_code == 401
        assert client.get("/", headers=PAGE, follow_redirects=False).status_code == 303
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
            pass
        key = {"Authorization": f"Bearer {elsewhere.new_key('ada')}"}
        assert client.get("/", headers=key).text == "user 'ada'"
        elsewhere.remove("ada")
        assert client.get("/", headers=key).status_code == status, "for the network it never opens"


# -- programs ------------------------------------------------------------------------------------------------------


def test_openais_client_takes_the_key_and_hears_that_another_is_wrong(household):
    right = openai.OpenAI(base_url=f"{household.url}/v1", api_key=household.keys["ada"], max_retries=0)
    messages = [{"role": "user", "content": "Who looks after the boiler?"}]
    assert "Hansen" in right.chat.completions.create(model="askmynotes", messages=messages).choices[0].message.content
    wrong = openai.OpenAI(base_url=f"{household.url}/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.AuthenticationError, match="askmynotes users key"):
        wrong.models.list()


def test_an_mcp_client_takes_the_key(household):
    async def names():
        headers = {"Authorization": f"Bearer {household.keys['bo']}"}
        async with (
            httpx.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(f"{household.url}/mcp/", http_client=http)) as client,
        ):
            return {tool.name for tool in (await client.list_tools()).tools}

    assert "ask_notes" in asyncio.run(names())


def test_a_name_and_a_password_serve_too(client):
    assert client.get("/api/conversations", auth=("ada", PASSWORD)).status_code == 200
    for given in ("Basic", "Basic !!!", "Basic bm9uZQ==", "Digest x", "Bearer", "Bearer x"):
        with httpx.Client(base_url=client.base_url, transport=httpx.HTTPTransport(local_address="127.0.0.7")) as other:
            assert other.get("/api/conversations", headers={"Authorization": given}).status_code == 401, given


# -- whose is what -------------------------------------------------------------------------------------------------


def test_one_users_conversation_is_not_there_for_another(household, client):
    with closing(History(household.settings.home)) as history:
        name = history.put("ada", "", 0, "Where is my ring?", '{"question": "Where is my ring?"}')
    ada, bo = ({"Authorization": f"Bearer {household.keys[user]}"} for user in ("ada", "bo"))
    assert "Where is my ring?" in client.get("/api/conversations", headers=ada).text
    assert "Where is my ring?" not in client.get("/api/conversations", headers=bo).text
    for address in (f"/api/conversations/{name}", f"/api/conversations/{name}.md"):
        assert client.get(address, headers=ada).status_code == 200
        answered = client.get(address, headers=bo)
        assert answered.status_code == 404
        assert answered.text == client.get("/api/conversations/nothing", headers=bo).text


# -- names and addresses -------------------------------------------------------------------------------------------


def test_the_server_answers_to_the_names_and_addresses_of_this_machine(client):
    name = socket.gethostname().lower().removesuffix(".local")
    for host in ("localhost:1", "127.0.0.1", "notes.example", name, f"{name}.local:7860", f"{name.upper()}.LOCAL"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 200, host
    for host in ("evil.example", "notes.example.evil.example", "9.9.9.9", "192.168.0.1", "[2001:db8::1]", ""):
        assert client.get("/healthz", headers={"Host": host}).status_code == 403, host


@pytest.mark.parametrize(("local", "host"), [("::ffff:10.1.2.3", "10.1.2.3:80"), ("fd00::1", "[fd00:0::1]:7860")])
def test_an_address_is_its_own_however_it_is_written(local, host):
    async def asked(host):
        sent = []

        async def send(message):
            sent.append(message)

        headers = [(b"host", host.encode())]
        scope = {"type": "http", "server": (local, 7860), "headers": headers, "state": {"user": ""}}
        await OwnNamesOnly(_anybody, ["localhost"])(scope, None, send)
        return sent[0]["status"]

    assert asyncio.run(asked(host)) == 200
    assert asyncio.run(asked("10.1.2.4")) == 403


@pytest.mark.parametrize("options", [("--host", "0.0.0.0"), ("--name", "notes.example")])
def test_without_users_nobody_else_is_served(process, options):
    refused = process("serve", *options)
    assert refused.returncode == 1
    assert "askmynotes users add" in refused.stderr
    assert refused.stderr.count("\n") == 1
