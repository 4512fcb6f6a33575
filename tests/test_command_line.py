"""The command line as its users and other programs meet it: whole transcripts, exit codes, and real processes where
those make a difference."""

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from click.testing import CliRunner

from chatbot.cli import cli
from knowledge.models import BASE_LANGUAGE_MODEL, default_language_model
from knowledge.settings import DEFAULT_EMBEDDING_MODEL
from tests.conftest import ROOT, make_settings
from tests.ingest.test_links import BREAD
from tests.web import WebServer, page

NOTE = "## Boiler service\nThe boiler is serviced by Hansen every October.\n\n[contract](https://hansen.example/c)\n"


@pytest.fixture
def indexed(run, tmp_path):
    path = tmp_path / "notes" / "house.md"
    path.parent.mkdir()
    path.write_text(NOTE)
    assert run("ingest", path.parent).returncode == 0
    return path


def fails(result, code, *named):
    assert result.returncode == code
    assert "Traceback" not in result.stderr
    for name in named:
        assert str(name) in result.stderr
    return True


def test_help_is_instant_and_names_every_command():
    heavy = {"chromadb", "torch", "gradio", "nltk", "onnxruntime", "numpy"}
    code = f"import sys; from chatbot.cli import cli; print(len(set(sys.modules) & {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout == "0\n"
    help_text = CliRunner().invoke(cli, ["--help"]).stdout
    for name, command in cli.commands.items():
        assert name in help_text
        assert command.help
        assert "--home" in CliRunner().invoke(cli, [name, "--help"]).stdout


def test_every_command_stands_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in cli.commands:
        assert f"askmynotes {name}" in readme


def test_a_mistyped_command_suggests_the_right_one(process):
    assert fails(process("serach", "x"), 2, "Did you mean 'search'?")
    assert fails(process("frobnicate"), 2, "Commands are")


def test_ingest_prints_a_summary_for_people_and_one_object_for_programs(run, indexed):
    first = run("ingest", indexed.parent)
    assert "1 unchanged" in first.stdout
    lines = run("ingest", indexed.parent, "--json").stdout.splitlines()
    summary = json.loads(lines[-1])
    assert len(lines) == 1
    assert summary.pop("seconds") >= 0
    assert summary == {
        "documents": 1, "chunks": 1, "added": 0, "changed": 0, "unchanged": 1, "removed": 0, "skipped": 0, "failed": 0,
        "links": {"found": 1, "fetched": 0, "unchanged": 0, "failed": 0, "skipped": 1},
    }  # fmt: skip


def test_ingest_names_what_it_cannot_read_and_goes_on(process, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "bad.md").write_bytes(b"\0\0")
    (folder / "latin.md").write_bytes("## Käse\nGrüße aus Köln, schöne Öfen.\n".encode("latin-1"))
    result = process("ingest", folder, "--json")
    assert result.returncode == 0
    assert "bad.md" in result.stderr
    assert json.loads(result.stdout)["failed"] == 1
    assert "Grüße" in process("search", "Grüße", "--json").stdout


def test_links_are_fetched_listed_and_found_from_the_command_line(run, tmp_path):
    notes = tmp_path / "notes" / "note.md"
    notes.parent.mkdir()
    with WebServer({"/bread": page(BREAD)}) as web:
        dead = web.url("/dead")
        notes.write_text(f"## Baking\n[high bread]({web.url('/bread')})\n\n## Old\n{dead} and [nothing]()\n")
        fetched = run("ingest", notes.parent, "--links", "--allow-private-host", "127.0.0.1", "--json")
        assert fetched.returncode == 0
        found = {"found": 2, "fetched": 1, "unchanged": 0, "failed": 1, "skipped": 0}
        assert json.loads(fetched.stdout.splitlines()[-1])["links"] == found
        links = [json.loads(line) for line in run("links", "--json").stdout.splitlines()]
    assert [(link["url"], link["state"]) for link in links] == [
        (web.url("/bread"), "fetched"), (dead, "gone"), ("", "never tried"),
    ]  # fmt: skip
    [place] = links[0]["references"]
    assert (place["source"], place["line"], place["heading_path"]) == (str(notes), 2, ["Baking"])
    assert "404" in links[1]["reason"]
    assert run("links", "--state", "gone").stdout.splitlines()[0].startswith("gone (")
    [hit] = map(
        json.loads, run("search", "less starter for every thousand metres", "-k", 1, "--json").stdout.splitlines()
    )
    assert (hit["kind"], hit["url"], hit["source"]) == ("article", web.url("/bread"), web.url("/bread"))
    assert [place["heading_path"] for place in hit["linked_from"]] == [["Baking"]]
    asked = ("ask", "How much less starter for every thousand metres?", "--engine", "extract")
    answer = json.loads(run(*asked, "--json").stdout)
    [citation] = [citation for citation in answer["citations"] if citation["kind"] == "article"]
    assert citation["linked_from"][0]["source"] == str(notes)
    assert f"linked from {notes}:2" in run(*asked).stdout


def test_an_address_that_is_refused_fails_in_one_line(run):
    for url in ("http://127.0.0.1:9/x", "http://2130706433/", "http://[::1]/", "http://localhost./"):
        result = run("ingest", url)
        assert fails(result, 1, "private")
        assert len(result.stderr.splitlines()) == 1
    for url in ("file:///etc/passwd", "ftp://a.example/x", "http://a@127.0.0.1/", "gopher://a.example/"):
        assert fails(run("ingest", url), 1, url)


def test_sources_lists_what_is_there_what_is_not_and_what_is_amiss(run, indexed):
    folder = indexed.parent
    (folder / "empty.md").write_text("")
    (folder / "broken.md").write_bytes(b"\0")
    (folder / "picture.png").write_bytes(b"x")
    code = "\n".join(f"value_{n} = compute({n})" for n in range(300))
    (folder / "long.md").write_text(f"## Code\n```\n{code}\n```\n")
    run("ingest", folder)
    text = run("sources").stdout
    for part in (
        f"{indexed}  indexed",
        "1 empty files",
        "1 left out: of a kind",
        "binary",
        "longer than the encoder reads",
    ):
        assert part in text
    *entries, health = map(json.loads, run("sources", "--json").stdout.splitlines())
    states = {entry["source"].rsplit("/", 1)[1]: entry["state"] for entry in entries}
    assert states == {
        "house.md": "indexed", "long.md": "indexed", "empty.md": "no text", "broken.md": "failed",
        "picture.png": "left out",
    }  # fmt: skip
    assert health["health"]["empty files"] == [str(folder / "empty.md")]


def test_sources_are_removed_and_the_files_stay(run, indexed):
    assert "1 document removed" in run("sources", "remove", indexed).stdout
    assert indexed.exists()
    assert run("search", "boiler").stdout.startswith("Nothing is indexed")
    assert fails(run("sources", "remove", "/nowhere/at/all"), 1, "is not in the index")


def test_a_note_that_is_too_large_is_named_with_the_setting_that_admits_it(run, settings, tmp_path):
    (settings.home / "config.toml").write_text("max_file_mb = 1")
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "huge.txt").write_text("word " * 300_000)
    (tmp_path / "n" / "picture.png").write_bytes(b"x")
    result = run("ingest", tmp_path / "n")
    assert result.returncode == 0
    assert "huge.txt" in result.stderr
    assert "max_file_mb" in result.stderr
    assert "picture.png" not in result.stderr
    assert "Left out 2" in result.stdout


def test_an_empty_folder_is_told(run, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run("ingest", tmp_path / "empty")
    assert result.returncode == 0
    assert "no notes" in result.stdout


def test_a_path_that_is_not_there_fails_in_one_line(process, tmp_path):
    result = process("ingest", tmp_path / "nowhere")
    assert fails(result, 1, tmp_path / "nowhere", "no such file or folder")
    assert len(result.stderr.splitlines()) == 1


def test_search_finds_and_prints_the_hits_of_the_contract(run, indexed):
    text = run("search", "boiler").stdout
    assert f"{indexed}:1-4" in text
    [hit] = map(json.loads, run("search", "boiler", "--json").stdout.splitlines())
    assert hit.pop("score") > 0
    assert hit == {
        "rank": 1, "title": "house", "heading_path": ["Boiler service"], "source": str(indexed), "lines": [1, 4],
        "kind": "note", "place": None, "url": "https://hansen.example/c", "linked_from": [],
        "links": [{"text": "contract", "url": "https://hansen.example/c"}],
        "text": NOTE.split("\n", 1)[1].strip(),
    }  # fmt: skip


def test_batches_answer_line_by_line(run, indexed, tmp_path):
    batch = tmp_path / "questions.jsonl"
    batch.write_text('{"q": "who services the boiler?"}\n\n{"q": "hello", "extra": 1}\n')
    searched = [json.loads(line) for line in run("search", "--batch", batch, "-k", 1).stdout.splitlines()]
    assert [(entry["q"], len(entry["hits"])) for entry in searched] == [("who services the boiler?", 1), ("hello", 1)]
    asked = [
        json.loads(line) for line in run("ask", "--batch", batch, "--engine", "extract", "--json").stdout.splitlines()
    ]
    assert [(entry["question"], entry["route"]) for entry in asked] == [
        ("who services the boiler?", "notes"),
        ("hello", "intent"),
    ]


def test_a_batch_goes_on_behind_a_line_that_cannot_be_asked(run, indexed, tmp_path):
    batch = tmp_path / "questions.jsonl"
    lines = (b'{"question": "no q"}', b'{"q": "boiler after:someday"}', b'{"q": "caf\xe9"}', b"[" * 100_000,
             b'{"q": null}', b'{"q": "who services the boiler?"}')  # fmt: skip
    batch.write_bytes(b"\n".join(lines))
    for command in (("search",), ("ask", "--engine", "extract", "--json")):
        result = run(*command, "--batch", batch)
        assert fails(
            result, 1, f"{batch}:1: is not", f"{batch}:2: after:someday is no filter", f"{batch}:3: is not UTF"
        )
        assert fails(result, 1, f"{batch}:4: is not a JSON", f"{batch}:5: is not a JSON")
        assert len(result.stdout.splitlines()) == 1
        assert len(result.stderr.splitlines()) == 5


def test_ask_prints_the_answer_with_its_sources(run, indexed):
    text = run("ask", "who services the boiler?", "--engine", "extract").stdout
    assert "Hansen every October. [1]" in text
    assert f"{indexed}:2" in text


def test_ask_gives_the_object_of_the_contract_with_the_real_model(process, indexed):
    told = process("ask", "who services the boiler?", "--json")
    assert told.stderr == ""
    answer = json.loads(told.stdout)
    assert set(answer) == {
        "question", "route", "intent", "answer", "short_answer", "citations", "links", "grounded", "engine",
        "timings_ms", "tokens",
    }  # fmt: skip
    assert answer["grounded"] is True
    assert "Hansen" in answer["short_answer"]
    assert set(answer["timings_ms"]) == {"retrieve", "first_token", "total"}
    assert answer["tokens"]["prompt"] > 50
    assert answer["tokens"]["completion"] > 0
    assert answer["citations"][0]["quote"] in NOTE


def test_a_damaged_language_model_falls_back_to_the_notes_and_says_why(run, indexed, tmp_path, models):
    home = tmp_path / "damaged"
    settings = make_settings(home, models)
    settings.models.unlink()
    shutil.copytree(models, settings.models, ignore=shutil.ignore_patterns("*.gguf"))
    default_language_model(settings.models).path.write_bytes(b"GGUF garbage")
    run("ingest", indexed.parent, home=home)
    result = run("ask", "who services the boiler?", home=home)
    assert result.returncode == 0
    assert "Hansen every October" in result.stdout
    assert "damaged" in result.stdout
    doctor = run("doctor", home=home)
    assert doctor.returncode == 1
    assert "askmynotes models install" in doctor.stdout


def test_if_empty_makes_nothing_anew_but_an_index_of_another_model(run, indexed, settings, models):
    indexed.write_text(NOTE + "\n## New\nnew\n")
    assert run("ingest", "--if-empty").stdout == ""
    (settings.home / "config.toml").write_text(f'embedding_model = "{models / DEFAULT_EMBEDDING_MODEL}"\n')
    assert "making a new one" in (renewed := run("ingest", "--if-empty")).stderr
    assert renewed.stdout
    assert run("ingest", "--if-empty").stdout == ""


def test_without_models_the_command_that_mends_it_is_named(run, tmp_path, indexed):
    home = tmp_path / "bare"
    assert fails(run("ingest", indexed.parent, home=home), 1, "askmynotes models install")
    assert fails(run("search", "boiler", home=tmp_path / "bare2", env={"COLUMNS": "200"}), 0)


def test_doctor_models_and_sources_tell_what_is_there(run, indexed):
    doctor = run("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "1 passages from 1 documents" in doctor.stdout
    assert DEFAULT_EMBEDDING_MODEL in run("models").stdout
    assert str(indexed) in run("sources").stdout


@pytest.mark.parametrize(
    "arguments",
    [("ask",), ("ask", "a", "--batch", "b"), ("search",), ("search", "x", "-k", "0"), ("ask", "x", "--engine", "gpt5"),
     ("ingest", "--nope"), ("serve", "--port", "99999999"), ("search", "--batch", "/nowhere.jsonl")],
)  # fmt: skip
def test_wrong_usage_exits_2(run, arguments):
    assert fails(run(*arguments), 2, "Error")


def test_a_bad_config_fails_in_one_line(process, settings):
    (settings.home / "config.toml").write_text("nonsense")
    assert fails(process("sources"), 1, "config.toml")


def test_serve_refuses_a_port_that_is_taken(process, indexed):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert fails(process("serve", "--port", taken.getsockname()[1]), 1, "choose another with --host or --port")


def test_chat_reads_questions_from_a_pipe(process, indexed):
    result = process(
        "chat", "--engine", "extract", input="hello\nwho services the boiler?\n/sources\n/new\n/sources\n/quit\n"
    )
    assert result.returncode == 0
    assert "Hansen every October. [1]" in result.stdout
    assert "A new conversation." in result.stdout
    assert "Nothing has been asked yet." in result.stdout


class Terminal:
    """A person at a terminal, as far as the program can tell."""

    def __init__(self, *arguments):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execv(sys.executable, [sys.executable, "-m", "chatbot", *map(str, arguments)])
        self.seen = ""

    def until(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.seen):
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} in {self.seen!r}")
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += os.read(self.fd, 4096).decode("utf-8", "replace")
        self.seen = self.seen[re.search(pattern, self.seen).end() :]

    def type(self, text):
        os.write(self.fd, text.encode())

    def exit_code(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_filter_that_cannot_be_does_not_end_the_chat(run, indexed):
    result = run("chat", "--engine", "extract", input="tests kind:poem\n/sources\n")
    assert "kind:poem is no filter" in result.stdout
    assert "cites nothing" in result.stdout
    assert result.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_chat_at_a_terminal_stops_an_answer_with_ctrl_c_and_leaves_with_ctrl_d(settings, indexed):
    with socket.create_server(("127.0.0.1", 0)) as server:  # a language model that takes its time
        address = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        config = f'engine = "openai"\nopenai_url = "{address}"\nopenai_model = "any"\n'
        (settings.home / "config.toml").write_text(config)
        terminal = Terminal("chat", "--home", settings.home)
        terminal.until("Ctrl-D leaves")
        terminal.until("> ")
        terminal.type("who services the boiler?\r")
        server.settimeout(60)
        connection, _ = server.accept()
        terminal.type("\x03")
        terminal.until("stopped")
        terminal.until("> ")
        terminal.type("hello\r")
        terminal.until("> ")
        terminal.type("\x04")
        assert terminal.exit_code() == 0
        connection.close()


def test_a_killed_reader_is_no_traceback(settings, indexed):
    command = f"{sys.executable} -m chatbot sources --home {settings.home} | true"
    result = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert "Traceback" not in result.stderr


def test_ctrl_c_ends_the_server_quietly(settings, indexed):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "chatbot", "serve", "--port", str(port), "--home", str(settings.home)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert f"http://127.0.0.1:{port}" in process.stdout.readline()
    urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60).close()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors


def test_a_model_file_is_installed_listed_and_used(run, models, tmp_path):
    home = tmp_path / "other"
    installed = run("models", "install", models / BASE_LANGUAGE_MODEL, home=home)
    assert f"finetune use {BASE_LANGUAGE_MODEL}" in installed.stdout
    assert (home / "models" / BASE_LANGUAGE_MODEL).is_file()
    assert run("finetune", "use", BASE_LANGUAGE_MODEL, home=home).returncode == 0
    [line] = [line for line in run("models", home=home).stdout.splitlines() if BASE_LANGUAGE_MODEL in line]
    assert line.endswith("*")
    (tmp_path / "bad.gguf").write_bytes(b"garbage")
    assert fails(run("models", "install", tmp_path / "bad.gguf", home=home), 1, "not a whole GGUF file")
