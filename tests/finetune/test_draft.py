import json
from collections import Counter

import pytest

from chatbot.evaluate import read_questions
from finetune.draft import draft, write
from finetune.questions import drafted as asked
from finetune.questions import index
from knowledge.documents import Chunk, Document
from knowledge.errors import NotesError
from knowledge.scores import fact_pattern
from knowledge.text import content_words

NOTES = """# House

## How to bleed a radiator
Turn the key slowly. Close the valve when water comes.

## Why does the boiler hum?
Lime.

## Heat pumps
A heat pump is a refrigerating machine that moves warmth from outside to inside. Fill the loop to 2 bar.

## Termograf: a logger
Termograf is a small logger that draws the temperature of every room. The licence costs 40 euros a year.

## Paint
Four kinds of paint that lie in the cellar:

- **Chalk paint**: for old wooden furniture
- **Enamel**: for radiators
- **Limewash**: for the cellar walls
- **Tar varnish**: for the fence posts

## Notes
Nothing much.

## Insulation
[Blown cellulose in old roofs](https://roof.example/cellulose) and [link](https://roof.example/x)
"""


@pytest.fixture
def drafted(add, store):
    add(NOTES)
    return {entry["q"]: entry for entry in draft(store, 40)}


def test_every_kind_of_passage_gives_its_question(drafted):
    wanted = {
        "How do I bleed a radiator?": {},
        "Why does the boiler hum?": {},
        "What is a heat pump?": {"must": ["refrigerating machine"]},
        "Which small logger draws the temperature of every room?": {"must": ["Termograf"]},
        "Heat pumps: fill the loop to how many bar?": {"must": ["2"]},
        "Termograf: the licence costs how many euros a year?": {"must": ["40"]},
        "What are the four kinds of paint that lie in the cellar?": {"must": ["Chalk paint", "Tar varnish"]},
        "Where did I read about blown cellulose in old roofs?": {"url": "https://roof.example/cellulose"},
    }
    for question, expected in wanted.items():
        assert question in drafted, sorted(drafted)
        entry = drafted[question]
        assert entry["page"] == "note.md"
        assert {key: entry.get(key) for key in expected} == expected
    assert drafted["Why does the boiler hum?"]["section"] == "Why does the boiler hum?"
    assert not any("about notes" in question.lower() for question in drafted), "a heading that says nothing"


def test_a_fifth_cannot_be_answered_from_the_notes(shipped):
    drafted = draft(shipped.store, 50)
    assert len(drafted) == 50
    unanswerable = [entry for entry in drafted if not entry.get("answerable", True)]
    assert Counter(entry["kind"] for entry in unanswerable) == {"near": 5, "far": 5}
    for entry in unanswerable:
        known = [word for word in content_words(entry["q"]) if shipped.store.knows(word)]
        assert bool(known) is (entry["kind"] == "near"), entry


def test_no_question_holds_its_answer_and_none_is_asked_twice(shipped):
    drafted = draft(shipped.store, 200)
    assert len(drafted) > 100
    assert len({entry["q"] for entry in drafted}) == len(drafted)
    for entry in drafted:
        for fact in entry.get("must", []):
            assert not fact_pattern(fact).search(entry["q"]), entry
        assert entry.get("url", "://") not in entry["q"]


def test_what_is_wanted_stands_in_the_section_that_is_named(shipped):
    sections = {}
    for listed in shipped.store.documents():
        for chunk in shipped.store.get(listed.document.source):
            sections[chunk.heading_path[-1]] = sections.get(chunk.heading_path[-1], "") + chunk.text
    for entry in draft(shipped.store, 100):
        if "section" in entry:
            text = sections[entry["section"]].replace("*", "").replace("`", "")
            assert all(fact_pattern(fact).search(text) for fact in entry.get("must", [])), entry
            assert entry.get("url", "") in text


def test_questions_are_spread_evenly_and_the_same_each_time(shipped):
    drafted = draft(shipped.store, 30)
    pages = {entry["page"] for entry in drafted if "page" in entry}
    assert len(pages) == len(shipped.store.documents())
    assert max(Counter(entry.get("section") for entry in drafted if "section" in entry).values()) == 1
    assert draft(shipped.store, 30) == drafted


def test_a_draft_is_read_by_evaluate_and_never_replaces_a_file(drafted, tmp_path):
    path = tmp_path / "questions.jsonl"
    write(path, drafted.values())
    assert [question.q for question in read_questions(path)] == list(drafted)
    path.write_text("edited")
    with pytest.raises(NotesError, match="is there already"):
        write(path, drafted.values())
    assert path.read_text() == "edited"
    with pytest.raises(NotesError, match="cannot be written"):
        write(tmp_path / "no" / "q.jsonl", [])


def test_the_command_prints_a_draft_or_writes_it(run, add, tmp_path):
    add(NOTES)
    printed = run("evaluate", "--generate", 5)
    assert printed.returncode == 0, printed.stderr
    questions = [json.loads(line)["q"] for line in printed.stdout.splitlines()]
    assert len(questions) == 5
    assert "5 questions drafted" in printed.stderr
    out = tmp_path / "q.jsonl"
    assert run("evaluate", "--generate", 5, "--out", out).stdout == ""
    assert [json.loads(line)["q"] for line in out.read_text().splitlines()] == questions
    assert run("evaluate", "--generate", 5, "--out", out).returncode == 1


def test_without_notes_there_is_nothing_to_draft(store):
    with pytest.raises(NotesError, match="askmynotes ingest"):
        draft(store, 3)


def test_a_heading_that_is_a_question_in_another_script_is_asked_as_it_stands(add, store):
    add("# یادداشت\n\n## چه زمانی به اصفهان برویم؟\nبهترین زمان سفر ماه اردیبهشت است.\n")
    asked = [entry["q"] for entry in draft(store, 5)]
    assert "چه زمانی به اصفهان برویم؟" in asked
    assert not any("؟?" in question for question in asked)


def test_articles_are_drafted_from_where_they_are_asked_for(store):
    chunk = Chunk("https://example.org/ferns/", "Ferns", ("Ferns", "Repotting"), (1, 2), "- In March\n- In a wide pot")
    index(store, [Document(chunk.source, "Ferns", "x", kind="article", chunks=(chunk,))])
    with pytest.raises(NotesError, match="no notes"):
        draft(store, 10)
    assert {each.chunk.source for each in asked(store, 10) if each.chunk} == {chunk.source}
