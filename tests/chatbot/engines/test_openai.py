"""Every server here is a real one on loopback; the last one has a real model."""

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from chatbot.engines import load_engine
from chatbot.engines.openai import is_local
from knowledge.errors import NotesError
from knowledge.prompt import Prompt
from knowledge.settings import Settings
from tests.web import head, page, raw, self_signed, silence, trickle

PROMPT = Prompt("You are a helpful assistant.", "What is the capital of France?")
KEY = "sk-secret-123"


class Server:
    """Answers with `routes`, each a behaviour of tests.web; `requests` lists path, headers and parsed body."""

    def __init__(self, **routes):
        self.routes = {"models": page(json.dumps({"data": [{"id": "small"}, {"id": "large"}]})), **routes}
        self.requests = []
        self.closed = threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.requests.append((self.path, self.headers, json.loads(body or "null")))
                behaviour = server.routes.get(self.path.rpartition("/")[2], page("not here", status=404))
                if not self.path.startswith("/v1/"):
                    behaviour = page("not here", status=404)
                try:
                    behaviour(None, self.connection)
                except OSError:
                    server.closed.set()

            do_GET = do_POST

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception):
        self._server.shutdown()
        self._server.server_close()

    @property
    def paths(self):
        return [path for path, _, _ in self.requests]


def event(content=None, finish=None, **more):
    chunk = {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}], **more}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def streamed(*events, pause=0.0):
    """A behaviour: an event stream, an event at a time."""

    def answer(request, connection):
        connection.sendall(head(200, "Content-Type: text/event-stream", "Connection: close"))
        for data in events:
            connection.sendall(data)
            time.sleep(pause)

    return answer


def serving(behaviour, **routes):
    return Server(completions=behaviour, **routes)


PARIS = streamed(event(""), event("Pa"), event("ris"), event(finish="stop"), b"data: [DONE]\n\n")


def make(server_or_url, tmp_path, **changes):
    url = getattr(server_or_url, "url", server_or_url)
    settings = {"openai_url": url, "openai_model": "small", "openai_key": KEY, "answer_seconds": 20, **changes}
    return load_engine(Settings(home=tmp_path, **settings), "openai")


def reply(engine, max_tokens=24):
    return "".join(engine.stream(PROMPT, max_tokens))


def failure(engine, max_tokens=24):
    """The one line that a failing reply ends with; whatever it says, it never holds the key."""
    started = time.monotonic()
    with pytest.raises(NotesError) as error:
        reply(engine, max_tokens)
    assert time.monotonic() - started < 60
    assert "\n" not in str(error.value)
    assert KEY not in str(error.value)
    return str(error.value)


# -- the good path -------------------------------------------------------------------------------------------------


def test_the_reply_is_put_together_and_asked_for_greedily(tmp_path):
    with serving(PARIS) as server:
        assert reply(make(server, tmp_path)) == "Paris"
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Host"] == f"127.0.0.1:{server.port}"
    assert [message["content"] for message in body.pop("messages")] == [PROMPT.system, PROMPT.user]
    assert body == {"model": "small", "stream": True, "temperature": 0, "max_tokens": 24}


def test_no_key_is_sent_where_none_is_set(tmp_path):
    with serving(PARIS) as server:
        reply(make(server, tmp_path, openai_key=""))
    assert "Authorization" not in server.requests[0][1]


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_the_address_may_be_given_with_and_without_its_path(tmp_path, path):
    with serving(PARIS) as server:
        assert reply(make(f"http://127.0.0.1:{server.port}{path}", tmp_path)) == "Paris"


def test_localhost_and_other_names_of_this_machine_serve(tmp_path):
    with serving(PARIS) as server:
        assert reply(make(f"http://localhost:{server.port}", tmp_path)) == "Paris"
        assert reply(make(f"http://0.0.0.0:{server.port}", tmp_path)) == "Paris"


def test_without_a_model_the_servers_first_one_is_asked(tmp_path):
    with serving(PARIS) as server:
        reply(make(server, tmp_path, openai_model=""))
    assert server.requests[-1][2]["model"] == "small"


def test_tokens_are_known_where_the_server_tells_them(tmp_path):
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 31}}\n\n'
    with serving(streamed(event("a"), event(finish="stop"), usage)) as server:
        engine = make(server, tmp_path)
        reply(engine)
    assert engine.prompt_tokens == 31


@pytest.mark.parametrize(
    "events",
    [
        [b": a comment\r\n\r\nevent: x\r\nid: 1\r\n", event("ok").replace(b"\n", b"\r\n"), event(finish="stop")],
        [event("ok")[:9], event("ok")[9:], event(finish="stop")],
        [event("o") + event("k") + event(finish="length")],
        [b'data:{"choices":\ndata: [{"delta": {"content": "ok"}}]}\n\n', b"data:[DONE]\n\n"],
    ],
)
def test_events_are_read_however_they_are_cut(tmp_path, events):
    with serving(streamed(*events, pause=0.05)) as server:
        assert reply(make(server, tmp_path)) == "ok"


@pytest.mark.parametrize("text", ["🐝é\u2028ü", "\ud83d", "a\0b"])
def test_odd_text_can_be_printed(tmp_path, text):
    with serving(streamed(event(text), event(finish="stop"))) as server:
        assert reply(make(server, tmp_path)).encode()


def test_the_environment_has_no_say(tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    with serving(PARIS) as server:
        assert reply(make(server, tmp_path, openai_key="")) == "Paris"
    assert "Authorization" not in server.requests[0][1]


# -- leaving, and limits -------------------------------------------------------------------------------------------


def test_a_reader_can_leave_before_the_first_word_and_the_connection_closes(tmp_path):
    with serving(trickle(head(200), b": wait\n\n", 0.05)) as server:
        stream = make(server, tmp_path).stream(PROMPT, 24)
        assert next(stream) == ""
        stream.close()
        assert server.closed.wait(10)


def test_the_next_question_is_answered_after_one_was_left(tmp_path):
    with serving(streamed(*[event("word ")] * 50, pause=0.1)) as server:
        engine = make(server, tmp_path)
        stream = engine.stream(PROMPT, 24)
        next(piece for piece in stream if piece)
        stream.close()
        server.routes["completions"] = PARIS
        assert reply(engine) == "Paris"


@pytest.mark.parametrize(
    "behaviour",
    [
        silence(30),
        trickle(head(200), b"d", 0.2),
        trickle(b"HTTP/1.1 2", b"0", 0.2),
        trickle(head(200), event("slow "), 0.6),
    ],
)
def test_a_reply_ends_at_its_time_limit_however_slowly_it_drips(tmp_path, behaviour):
    with serving(behaviour) as server:
        assert "longer than 1 seconds" in failure(make(server, tmp_path, answer_seconds=1))


def test_a_server_that_does_not_stop_writing_is_left_at_the_most_tokens(tmp_path):
    with serving(trickle(head(200), event("more "), 0.01)) as server:
        assert reply(make(server, tmp_path), 10) == "more " * 10
        assert server.closed.wait(10)


@pytest.mark.parametrize("start", [head(200), b"HTTP/1.1 200 Fine\r\nX: ", head(500)])
def test_an_endless_answer_without_a_word_is_refused_by_its_size(tmp_path, start):
    with serving(trickle(start, b"x" * 300_000, 0)) as server:
        assert "OpenAI-compatible" in (told := failure(make(server, tmp_path))) or "without an answer" in told


# -- failures ------------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_running_is_told(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert f"no server answers at http://127.0.0.1:{port}/v1: start it" in failure(
        make(f"http://127.0.0.1:{port}", tmp_path)
    )


@pytest.mark.parametrize("status", [400, 404])
def test_an_unknown_model_is_told_with_those_that_the_server_has(tmp_path, status):
    error = json.dumps({"error": {"message": "model 'huge' not found"}})
    with serving(page(error, "application/json", status)) as server:
        told = failure(make(server, tmp_path, openai_model="huge"))
    assert "'huge'" in told
    assert "small, large" in told


@pytest.mark.parametrize("models", [{"data": None}, {"data": []}])
def test_a_server_without_models_is_told(tmp_path, models):
    with serving(PARIS, models=page(json.dumps(models))) as server:
        assert "has no model" in failure(make(server, tmp_path, openai_model=""))


@pytest.mark.parametrize(("key", "named"), [(KEY, "does not accept the key"), ("", "wants a key")])
def test_a_key_that_is_refused_is_told_without_showing_it(tmp_path, key, named):
    with serving(page(json.dumps({"error": {"message": f"bad key {KEY}"}}), status=401)) as server:
        assert named in failure(make(server, tmp_path, openai_key=key))


def test_a_wrong_base_address_is_told(tmp_path):
    with serving(PARIS) as server:
        assert "ends in /v1" in failure(make(f"http://127.0.0.1:{server.port}/api", tmp_path))


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"error": {"message": f"out of memory {KEY}\nTraceback"}}),
        json.dumps({"error": "out of memory"}),
        json.dumps({"detail": "out of memory"}),
        "out of memory\nmore",
    ],
)
def test_what_a_failing_server_says_is_passed_on_in_one_line(tmp_path, body):
    with serving(page(body, status=500)) as server:
        told = failure(make(server, tmp_path))
    assert "500: out of memory" in told
    assert "Traceback" not in told


def test_a_long_complaint_is_cut(tmp_path):
    with serving(page("x" * 9999, status=503)) as server:
        assert len(failure(make(server, tmp_path))) < 400


def test_a_failure_after_the_first_words_is_told(tmp_path):
    with serving(streamed(event("Pa"), b'data: {"error": {"message": "out of memory"}}\n\n')) as server:
        assert "out of memory" in failure(make(server, tmp_path))


@pytest.mark.parametrize(
    "behaviour",
    [
        page("<html><body>Welcome</body></html>"),
        page(json.dumps({"choices": [{"message": {"content": "in one piece"}}]}), "application/json"),
        streamed(b"data: {not json\n\n"),
        streamed(b"data: [1, 2]\n\n"),
        streamed(b'data: {"choices": 5}\n\n'),
        streamed(b'data: {"choices": [{"delta": {"content": 5}}]}\n\n'),
        streamed(b"data: " + b"[" * 100_000 + b"\n\n"),
        page(""),
    ],
)
def test_what_is_not_compatible_is_told(tmp_path, behaviour):
    with serving(behaviour) as server:
        assert "no OpenAI-compatible server" in failure(make(server, tmp_path))


@pytest.mark.parametrize("models", ["<html>", "[]", '{"data": [1]}', '{"models": []}'])
def test_a_list_of_models_that_is_none_is_told(tmp_path, models):
    with serving(PARIS, models=page(models)) as server:
        assert "no OpenAI-compatible server" in failure(make(server, tmp_path, openai_model=""))


@pytest.mark.parametrize("data", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"\x00\xff" * 50])
def test_what_does_not_speak_http_is_told(tmp_path, data):
    with serving(raw(data)) as server:
        assert "without an answer" in failure(make(server, tmp_path))


@pytest.mark.parametrize(
    "behaviour",
    [
        streamed(event("Pa")),
        raw(head(200, "Transfer-Encoding: chunked") + b"%x\r\n" % len(event("Pa")) + event("Pa") + b"\r\n"),
        raw(head(200, "Content-Length: 9999") + event("Pa")),
    ],
)
def test_a_connection_that_is_lost_in_the_middle_is_told(tmp_path, behaviour):
    with serving(behaviour) as server:
        assert "middle of the reply" in failure(make(server, tmp_path))


def test_a_model_that_only_reasons_is_told(tmp_path):
    thought = b'data: {"choices": [{"delta": {"reasoning_content": "hm"}, "finish_reason": "length"}]}\n\n'
    with serving(streamed(thought)) as server:
        assert "reasoning" in failure(make(server, tmp_path))


def test_redirects_are_not_followed(tmp_path):
    with (
        serving(PARIS) as other,
        serving(page("", "text/html", 307, f"Location: {other.url}/chat/completions")) as server,
    ):
        assert "another address" in failure(make(server, tmp_path))
    assert not other.requests


@pytest.mark.parametrize(
    "url",
    ["localhost:11434", "", "ftp://localhost", "http://", "http://me:pw@localhost", "http://a b", "http://x:99999"],
)
def test_an_address_that_is_none_is_told(tmp_path, url):
    with pytest.raises(NotesError, match="openai_url") as error:
        make(url, tmp_path)
    assert "pw" not in str(error.value)


@pytest.mark.parametrize("key", ["two\nlines", "ключ", "a b"])
def test_a_key_that_is_none_is_told_without_showing_it(tmp_path, key):
    with pytest.raises(NotesError, match="openai_key") as error:
        make("http://localhost", tmp_path, openai_key=key)
    assert key not in str(error.value)


# -- where notes may be sent ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "fe80::1%2", "fd12::1"]
    + ["100.64.0.1", "100.127.255.254", "::ffff:192.168.1.1"],
)
def test_own_machine_and_network(ip):
    assert is_local(ip)


@pytest.mark.parametrize(
    "ip",
    ["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.169.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
    + ["64:ff9b::a00:1", "2002:7f00:1::", "224.0.0.1", "255.255.255.255"],
)
def test_everything_else_is_public(ip):
    assert not is_local(ip)


@pytest.fixture
def names(monkeypatch):
    """Host names that mean what a test wants; `names.asked` lists those that were looked up."""

    class Names(dict):
        asked = []

    names = Names()
    names.asked = []
    real = socket.getaddrinfo

    def look_up(host, port, *rest, **more):
        if host not in names:
            return real(host, port, *rest, **more)
        names.asked.append(host)
        ips = names[host].pop(0) if len(names[host]) > 1 else names[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


@pytest.fixture
def dialled(monkeypatch):
    """The addresses that a connection was opened to; none outside this machine is."""
    tried = []
    real = socket.create_connection

    def connect(address, *rest, **more):
        tried.append(address[0])
        if not address[0].startswith("127."):
            raise ConnectionRefusedError
        return real(address, *rest, **more)

    monkeypatch.setattr(socket, "create_connection", connect)
    return tried


@pytest.mark.parametrize("ips", [["8.8.8.8"], ["127.0.0.1", "8.8.8.8"]])
def test_a_public_host_is_refused_before_anything_is_sent(tmp_path, names, dialled, ips):
    names["llm.test"] = [ips]
    told = failure(make("https://llm.test", tmp_path))
    assert "allow_public_engine" in told
    assert "passages of your notes would be sent" in told
    assert not dialled


def test_a_public_host_is_asked_where_that_is_allowed_and_only_encrypted(tmp_path, names, dialled):
    names["llm.test"] = [["8.8.8.8"]]
    assert "https" in failure(make("http://llm.test", tmp_path, allow_public_engine=True))
    assert not dialled
    failure(make("https://llm.test", tmp_path, allow_public_engine=True))
    assert dialled == ["8.8.8.8"]


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(tmp_path, names, dialled):
    with serving(PARIS) as server:
        names["llm.test"] = [["127.0.0.1"], ["8.8.8.8"]]
        assert reply(make(f"http://llm.test:{server.port}", tmp_path)) == "Paris"
    assert names.asked == ["llm.test"]
    assert dialled == ["127.0.0.1"]


@pytest.mark.parametrize(("named", "trusted"), [("llm.test", True), ("other.test", True), ("llm.test", False)])
def test_an_encrypted_server_must_prove_its_name(tmp_path, monkeypatch, names, named, trusted):
    import ssl

    names["llm.test"] = [["127.0.0.1"]]
    certificate, key = self_signed(tmp_path, named)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = serving(PARIS)
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    with server:
        engine = make(f"https://llm.test:{server.port}", tmp_path)
        if named == "llm.test" and trusted:
            assert reply(engine) == "Paris"
        else:
            assert "certificate" in failure(engine)
            assert not server.requests


def test_a_server_that_does_not_encrypt_is_told(tmp_path):
    with serving(PARIS) as server:
        assert "secure connection" in failure(make(f"https://127.0.0.1:{server.port}", tmp_path))


# -- a real server -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def transformers_serve(checkpoint, tmp_path_factory):
    """The address of `transformers serve`, which has the default model in its cache and no network."""
    pytest.importorskip("openai", reason="transformers[serving] is not installed")
    hub = tmp_path_factory.mktemp("hub")
    repository = hub / "models--local--smollm2"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("1" * 40)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / ("1" * 40)).symlink_to(checkpoint, target_is_directory=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HF_HUB_CACHE": str(hub), "HF_HUB_OFFLINE": "1"}
    code = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    log = (hub / "log").open("wb")
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    for _ in range(900):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert server.poll() is None, (hub / "log").read_text()
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(30)


@pytest.mark.timeout(900)
def test_a_real_server_answers_and_can_be_left(transformers_serve, tmp_path):
    settings = Settings(home=tmp_path, openai_url=transformers_serve, answer_seconds=280)
    engine = load_engine(settings, "openai")
    assert engine.check() == "local/smollm2"
    assert "Paris" in reply(engine, 12)
    assert engine.prompt_tokens > 10
    stream = engine.stream(Prompt(PROMPT.system, "Tell me a very long story about a dog."), 300)
    next(piece for piece in stream if piece)
    stream.close()
    assert "Paris" in reply(engine, 12)
