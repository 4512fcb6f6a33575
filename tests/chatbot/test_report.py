import re
from html.parser import HTMLParser

import pytest

from chatbot import report
from chatbot.answer import Answer, Part
from chatbot.evaluate import Question, Result
from knowledge.documents import Chunk, Hit
from knowledge.errors import NotesError

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)> {{ 7*7 }} \ud800"


def result(q="who?", text="Hansen comes in May.", found=("Boiler", "Roof"), total=12.0, route="notes", **wanted):
    hits = tuple(Hit(Chunk(f"/notes/{name}.md", name, (name,), (1, 2), f"{text} <b>{name}</b>"), 0.5) for name in found)
    answer = Answer(q, "done", route, parts=(Part("say", text),), timings_ms={"total": total, "first_token": total})
    return Result(Question(q, **wanted), answer, hits)


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def test_a_failure_stands_beside_its_evidence_with_the_facts_marked():
    failed = result("who comes?", section="Roof", must=("hansen", "in June|in  may"))
    page = Page(html := report.render({"extract": [failed, result("fine?")]}))
    assert "who comes?" in page.text
    assert "fine?" not in page.text
    assert "The wanted passage is not found first: 1" in page.text
    assert "2. Roof" in page.text
    assert "/notes/Roof.md:1-2 · score 0.500 · wanted" in page.text
    assert html.count("<mark>Hansen</mark> comes <mark>in May</mark>.") == 3, "in the answer and in both passages"


def test_each_question_stands_once_under_its_gravest_failure():
    refused = result("lost?", section="Nowhere", must=("x",), route="none")
    page = Page(report.render({"extract": [refused]}))
    summaries = [tag for tag, _ in page.elements if tag == "summary"]
    assert len(summaries) == 2, "one for the kind, one for the question"
    assert "Not answered, though the notes do: 1" in page.text
    assert "A required fact is not shown" in page.text


def test_hostile_words_stay_words():
    failed = result(EVIL, EVIL, (EVIL,), section=EVIL, page=EVIL, must=(EVIL,), kind=EVIL, after=(EVIL,))
    page = Page(html := report.render({EVIL: [failed]}))
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in page.elements}
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "{{ 7*7 }}" in page.text
    html.encode("utf-8")


def test_the_page_needs_nothing_from_elsewhere():
    html = report.render({"extract": [result("who?", section="Boiler")]})
    assert "://" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html


def test_the_bars_are_as_long_as_what_they_show():
    first = [result(section="Boiler"), result(section="Roof"), result(section="Cellar")]
    second = [result(section="Boiler", total=700.0)] * 3
    html = report.render({"extract": first, "gpt4all": second})
    groups = re.findall(r'<g class="r(\d)"><title>(\S+): (.*?)</title>\s*<rect [^>]*width="([\d.]+)%"', html)
    widths = {}
    for run, name, text, width in groups:
        assert name == ("extract", "gpt4all")[int(run)]
        widths.setdefault((name, text), []).append(float(width))
    assert widths["extract", "33.3%"][0] == pytest.approx(widths["gpt4all", "100.0%"][0] / 3, abs=0.01)
    labels = re.findall(r'<text x="0" [^>]*>(.*?)</text>', html)
    assert labels[labels.index("1") :] == [
        *map(str, range(1, 11)), "after 10", "not found",
        "to 20 ms", "to 50 ms", "to 100 ms", "to 200 ms", "to 500 ms", "to 1,000 ms",
    ]  # fmt: skip


def test_measures_without_questions_are_left_out():
    page = Page(report.render({"extract": [result("who?")]}))
    assert "answered" in page.text
    assert "hit@1" not in page.text
    assert "every question did what was wanted" in page.text


def test_the_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("before")
    monkeypatch.setattr(report, "render", lambda outcomes: "x" * 10 + "\ud800")
    with pytest.raises(UnicodeEncodeError):
        report.write(path, {})
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    monkeypatch.undo()
    report.write(path, {"extract": [result()]})
    assert path.read_text().startswith("<!doctype html>")
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_place_where_no_file_can_be_is_told_in_one_line(tmp_path):
    for place, reason in ((tmp_path / "no" / "r.html", "is not a folder"), (tmp_path, "is a folder")):
        with pytest.raises(NotesError, match=reason) as error:
            report.write(place, {})
        assert "\n" not in str(error.value)
