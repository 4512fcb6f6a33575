"""After set-up nothing touches the network: every command runs with all but loopback sockets refused."""

import json
import os
import socket
import subprocess
import sys
import urllib.request

import pytest

from knowledge.offline import SWITCHES
from tests.conftest import ROOT
from tests.guard import GUARD


@pytest.fixture
def guarded(tmp_path):
    """An environment in which Python refuses and records every outside connection, and the record."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    log = tmp_path / "attempts.txt"
    log.write_text("")
    path = os.pathsep.join([str(tmp_path / "guard"), str(ROOT)])
    # switches that a careless environment might have set the other way
    hostile = {"HF_HUB_OFFLINE": "0", "GRADIO_ANALYTICS_ENABLED": "True", "LANGCHAIN_TRACING_V2": "true"}
    return {**os.environ, **hostile, "PYTHONPATH": path, "GUARD_LOG": str(log)}, log


def test_the_guard_works(guarded):
    env, log = guarded
    code = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/')"
    assert subprocess.run([sys.executable, "-c", code], env=env, capture_output=True).returncode
    assert "192.0.2.1" in log.read_text()


def test_the_switches_are_set_by_the_first_import():
    code = "import json, os, knowledge; print(json.dumps(dict(os.environ)))"
    env = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout)
    assert {name: env[name] for name in SWITCHES} == SWITCHES


def test_ingest_search_ask_and_serve_stay_on_this_machine(guarded, settings):
    env, log = guarded

    def run(*arguments):
        command = [sys.executable, "-m", "chatbot", *arguments, "--home", str(settings.home)]
        return subprocess.run(command, env=env, cwd=settings.home, capture_output=True, text=True, timeout=120)

    assert "added" in run("ingest").stdout
    assert "NannyML" in run("search", "package that detects drift").stdout
    assert "[1]" in run("ask", "which package detects drift?", "--engine", "extract").stdout
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "chatbot", "serve", "--port", str(port), "--home", str(settings.home)]
    server = subprocess.Popen(command, env=env, cwd=settings.home, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        server.stdout.readline()
        url = f"http://127.0.0.1:{port}"
        assert "Ask my notes" in urllib.request.urlopen(url, timeout=60).read().decode()
        question = json.dumps({"question": "which package detects drift?"}).encode()
        asked = urllib.request.Request(f"{url}/api/ask", question, {"Content-Type": "application/json"})
        answer = json.load(urllib.request.urlopen(asked, timeout=120))
        assert answer["citations"]
        assert answer["tokens"]["completion"], "the language model was asked"
    finally:
        server.terminate()
        server.wait(60)
    assert log.read_text() == ""
    assert not (settings.home / ".cache").exists()
