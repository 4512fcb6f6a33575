import os
import re

import pytest

from chatbot.answer import Answer, Citation
from chatbot.decide import Decision, Figure
from chatbot.page.evidence import evidence_html, whole_html
from chatbot.page.origin import date_of, problem_of
from chatbot.why import Removed, Why
from knowledge.documents import Chunk, Hit


def test_the_cited_words_are_marked_in_the_passage():
    for source in ("n.md", "n.txt"):
        chunk = Chunk(source, "n", ("H",), (1, 2), "One & two. Three. Four.")
        answer = Answer("q", citations=(Citation(1, chunk, ((0, 10), (18, 23))),))
        assert "<mark>One &amp; two.</mark> Three. <mark>Four.</mark>" in evidence_html(answer, 0, {})


def why_of(state="done", **changes):
    hit = Hit(Chunk("n.md", "n", ("H & I",), (3, 4), "One.\nTwo."), 0.5, 0.41, 0.32, 0.63, 7, None)
    decision = Decision(0.25, 0.5, (Figure("best <cosine>", 0.41, 5.0),))
    return Answer("q", state, why=Why("q (topic)", (hit,), decision, (Removed("Nine & ten.", "no"),)), **changes)


def test_why_lies_folded_under_the_passages_of_a_finished_answer():
    html = evidence_html(why_of(), 0, {})
    assert '<details class="why"><summary>Why this answer</summary>' in html
    for shown in ("q (topic)", "H &amp; I", "n.md, lines 3–4", "best &lt;cosine&gt;", "Nine &amp; ten.", "0.25"):
        assert shown in html
    figures = "".join(f"<td>{cell}</td>" for cell in ("0.50", "0.41", "7", "0.32", "–", "0.63"))
    assert f"<tr>{figures}</tr>" in html
    assert "Why" not in evidence_html(why_of(state="writing"), 0, {})
    assert "no passage" in evidence_html(Answer("hello", "done", "intent", why=Why("hello")), 0, {})
    assert "appear here" in evidence_html(None, 0, {})


def test_what_was_found_and_not_cited_lies_folded_below_by_section():
    part, beside, namesake = (
        Chunk("n.md", "n", (name,), (line, line), text)
        for name, line, text in (("H", 2, "Two."), ("I", 4, "First *line*."), ("H", 7, "Of another day."))
    )
    cited = Chunk("n.md", "n", ("H",), (1, 2), "One.\nTwo.")
    hits = tuple(Hit(chunk, 0.5) for chunk in (part, beside, namesake))
    answer = Answer("q", "done", citations=(Citation(1, cited, ((0, 4),)),), why=Why("q", hits))
    html = evidence_html(answer, 0, {})
    assert "Also found, not used (2)" in html
    found = re.findall(r"<details><summary[^>]*>(.*?)</summary>", html)
    assert found == ["<strong>I</strong> First line.", "<strong>H</strong> Of another day."]


def test_a_path_in_the_home_folder_is_shown_as_its_owner_writes_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for source, shown in ((f"{tmp_path}/notes/n.md", "~/notes/n.md"), ("/elsewhere/n.md", "/elsewhere/n.md")):
        answer = Answer("q", citations=(Citation(1, Chunk(source, "n", ("H",), (1, 2), "One."), ((0, 4),)),))
        assert f">{shown}, line 2 · dated then<" in evidence_html(answer, 0, {source: "dated then"})


NOTE = "---\ndate: 2024-03-02\n---\n# Top\nBefore.\n\n## Middle\nOne here. Two there.\n\n## End\nAfter.\n"


@pytest.fixture
def cited(add, store):
    """A passage of a note that is indexed, and the name of its file."""
    add(NOTE)
    [document] = store.documents()
    chunk = next(chunk for chunk in store.get(document.document.source) if chunk.heading_path[-1] == "Middle")
    return Citation(1, chunk, ((0, 9),))


def whole(citation, store):
    source = citation.chunk.source
    return whole_html(citation, 0, store.get(source), date_of(source, store), problem_of(source, store))


def test_a_whole_note_is_shown_under_its_headings_at_the_cited_words(cited, store):
    html = whole(cited, store)
    assert re.findall(r"<h3[^>]*>(.*?)</h3>", html) == ["Middle", "End"]
    assert html.index(">Top</h2>") < html.index("Before.")
    assert html.index("Before.") < html.index('id="cited"') < html.index("<mark>One here.</mark> Two there.")
    assert "dated 2 March 2024" in html
    assert 'role="status"' not in html


def test_a_whole_note_says_what_has_become_of_it_since(cited, store, add, tmp_path):
    note = tmp_path / "notes" / "note.md"
    note.write_text(NOTE + "More.\n")
    assert "has changed since" in whole(cited, store)
    note.unlink()
    assert "file is gone" in whole(cited, store)
    add(NOTE.replace("Before.", "Before.\n\nMore."))
    assert 'role="status"' not in whole(cited, store), "it only stands further down"
    add(NOTE.replace("One here.", "Nothing."))
    assert "no longer stands in it" in whole(cited, store)
    store.remove(cited.chunk.source)
    assert "no longer indexed" in whole(cited, store)
    assert "<mark>One here.</mark>" in whole(cited, store), "the passage is kept with the answer"


def test_a_passage_tells_the_date_that_its_source_gives_else_that_of_its_file(add, store, tmp_path):
    add("## A\nOne.\n", "plain.md")
    add("---\ndate: last spring\n---\n## B\nTwo.\n", "dated.md")
    os.utime(tmp_path / "notes" / "plain.md", (0, 86_400 * 365))
    told = [date_of(str(tmp_path / "notes" / name), store) for name in ("plain.md", "dated.md", "unknown.md")]
    assert told == ["changed 1 January 1971", "dated last spring", ""]
