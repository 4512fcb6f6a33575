import json

import pytest

from chatbot.answer import Answer, Assistant, Part
from chatbot.terminal import _shown, chat, show_why
from chatbot.why import Removed, Why
from knowledge.documents import Chunk, Hit
from tests.conftest import ScriptedEngine

NOTES = """## Boiler service
The boiler is serviced by Hansen & Sons every October.

## Bike tyres
Pump the tyres to 6 bar.
"""


@pytest.fixture
def ask(add, run):
    add(NOTES)
    return lambda *arguments: run("ask", "who looks after the boiler?", "--engine", "extract", *arguments)


def test_why_is_printed_below_the_answer_in_lines_that_fit(ask):
    told = ask("--why").stdout
    answer, why = told.split("\nWhy this answer\n")
    assert "Hansen & Sons" in answer
    assert "Why" not in ask().stdout
    for shown in ("Asked    who looks after the boiler?", "probability", "best cosine", "Boiler service", "Bike tyres"):
        assert shown in why
    assert max(map(len, why.splitlines())) <= 80


def test_why_is_a_key_of_the_object_where_it_is_asked_for(ask):
    plain, told = json.loads(ask("--json").stdout), json.loads(ask("--json", "--why").stdout)
    assert "why" not in plain
    assert set(told) - set(plain) == {"why"}
    assert told["why"]["candidates"][0]["heading_path"] == ["Boiler service"]


def test_long_words_headings_paths_and_sentences_fit_as_well(capsys):
    chunk = Chunk("/far" * 60 + "/note.md", "n", ("top", "heading " * 30), (1, 200), "One.")
    removed = Removed("word " * 100, "x" * 300)
    show_why(Answer("q", "done", why=Why("y" * 20_000, (Hit(chunk, -0.5, -0.1),) * 10, None, (removed,))))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.endswith("/note.md:1-200") for line in lines)
    assert len(lines) < 60


def test_the_conversation_tells_why_when_it_is_asked(add, run):
    add(NOTES)
    told = run("chat", "--engine", "extract", input="/why\nwho looks after the boiler?\nand in October?\n/why\n").stdout
    assert "Nothing has been asked yet." in told
    assert "Asked    and in October? (Boiler service)" in told


def test_of_a_question_that_could_not_be_asked_nothing_is_said_to_be_quoted(add, run):
    add(NOTES)
    told = run("chat", "--engine", "extract", input="kind:poem boiler\n/why\n").stdout
    assert "kind:poem is no filter" in told
    assert "Decided  there was nothing to decide on" in told
    assert "Written" not in told


def test_an_answer_that_is_stopped_counts_as_far_as_it_came(add, store, settings, monkeypatch, capsys):
    add(NOTES)
    assistant = Assistant(store, settings)
    said = "The boiler is serviced by Hansen & Sons."
    assistant._engine = ScriptedEngine(said, " And", error=KeyboardInterrupt())
    printed = []

    def typed():
        yield "who services the boiler?"
        yield "/sources"
        yield "/again"
        assistant._engine.pieces = ()
        yield "/again"
        yield "/why"
        yield "/quit"

    lines = typed()

    def type_next(prompt):
        printed.append(capsys.readouterr().out)
        return next(lines)

    monkeypatch.setattr("builtins.input", type_next)
    chat(assistant)
    _, stopped, sources, _, not_begun, why = printed
    assert stopped == f"{said} [1]\n(stopped)\n"
    assert "note.md:2" in sources
    assert not_begun == "\n(stopped)\n"
    assert "Written  quoted from the notes" in why, "nothing took the place of the answer before"


def test_a_second_answer_that_is_stopped_before_it_begins_leaves_the_first_as_it_is():
    def loading():
        raise KeyboardInterrupt
        yield

    before = Answer("who?", parts=(Part("say", "Hansen."),))
    assert _shown(loading(), before) is before


def test_the_conversation_answers_again_in_the_other_way(add, store, settings, monkeypatch, capsys):
    add(NOTES)
    assistant = Assistant(store, settings)
    assistant._engine = ScriptedEngine("The boiler is serviced by Hansen & Sons.")
    typed = iter(["/again", "who services the boiler?", "/again", "/why", "hello", "/again", "/quit"])
    printed = []

    def type_next(prompt):
        printed.append(capsys.readouterr().out)
        return next(typed)

    monkeypatch.setattr("builtins.input", type_next)
    chat(assistant)
    help, nothing, written, quoted, why, _, greeted = printed
    assert "/again" in help
    assert nothing == "Nothing has been asked yet.\n"
    assert written.startswith("The boiler is serviced by Hansen & Sons. [1]\n")
    assert quoted.startswith("The boiler is serviced by Hansen & Sons every October. [1]\n")
    assert "without the language model" in quoted
    assert "note.md:2" in quoted
    assert "Written  quoted from the notes" in why
    assert "not answered from your notes" in greeted
