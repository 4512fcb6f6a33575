"""What other programs show of an answer: read as they read it, with a Markdown parser that lets HTML through."""

import re
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt

from chatbot.answer import Answer, Part
from chatbot.markdown import answer_markdown, conversation_markdown
from tests.chatbot.page.test_render import HOSTILE

FURTHER = [
    r"\![x](http://evil.example/)",
    r"\<img src=http://evil.example onerror=alert(1)>",
    "`a\\`<img src=http://evil.example>",
    "<javascript:alert(1)>",
    "[x][1]",
    "[1]: javascript:alert(1)",
    "[x]( <javascript:alert(1)>)",
    "```\n<b>\n```\n<img src=http://evil.example>",
    "&lt;img src=http://evil.example onerror=alert(1)&gt;",
    r"$x_1\$![x](http://evil.example/) $y_1$[x](javascript:alert(1))",
    r"\(x_1\)[x](javascript:alert(1)) \(\\\)<img src=http://evil.example>\(y_1\)",
    r"$a^2$`$b^2$<img src=http://evil.example>` ![$c^2$](http://evil.example/)",
]


def active(markdown):
    """The elements of the shown text that load, run or lead elsewhere than the web."""
    shown = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown)
    tags = re.findall(r"<\s*(\w+)([^>]*)>", shown)
    harmless = {"h2", "p", "ul", "li", "a", "code", "pre", "em", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    found = [tag for tag, _ in tags if tag not in harmless]
    addresses = re.findall(r'href="([^"]*)"', shown)
    return found + [address for address in addresses if not re.match("https?://", address)]


@pytest.mark.parametrize("hostile", [*HOSTILE, *FURTHER])
def test_nothing_of_a_note_becomes_active_where_an_answer_is_shown(hostile):
    kinds = ("say", "item", "quote", "code", "link", "note")
    for url in (hostile, "javascript:alert(1)", "https://good.example/)<img src=x>"):
        parts = [Part(kind, hostile, 1, url=url) for kind in kinds]
        table = Part("table", hostile, 1, rows=((hostile, "b"), (hostile, hostile)))
        answer = Answer(hostile, parts=(*parts, table))
        assert active(conversation_markdown([answer, answer])) == []
        assert active(answer_markdown(answer)) == []


def test_an_answer_reads_as_it_did():
    parts = (
        Part("say", r"Here $x = \frac{1}{2}. y$ and \(z_1\), not C:\x.", 1),
        Part("say", "Use `a_b` at **C:\\x**, see [it](https://good.example/a).", 1),
        Part("code", "```python\nif a < b:\n    print('```')\n```", 1),
        Part("table", "a · 1 | 2", 1, rows=(("Tap", "Bar"), ("a", "1 | 2"))),
        Part("link", "the [manual]", 2, "https://good.example/b_(c)"),
    )
    assert answer_markdown(Answer("q", parts=parts)) == (
        "Here $x = \\frac{1}{2}. y$ and \\(z_1\\), not C:\\\\x. [1]\n"
        "Use `a_b` at **C:\\\\x**, see [it](https://good.example/a). [1]\n"
        "````python\nif a < b:\n    print('```')\n````\n[1]\n"
        "\n| Tap | Bar    |\n| --- | ------ |\n| a   | 1 \\| 2 |\n\n[1]\n"
        r"- [the \[manual\]](https://good.example/b_%28c%29) [2]"
    )


def test_what_follows_a_list_is_drawn_below_it_and_an_answer_under_way_grows_at_its_end():
    parts = (
        Part("say", "Two things:", 1),
        Part("item", "one", 1),
        Part("item", "two", 1),
        Part("heading", "Cellar"),
        Part("quote", "It is dry.", 2),
        Part("link", "plan", 2, "https://good.example/"),
        Part("note", "Stopped."),
    )
    answer = Answer("q", parts=parts)
    for shown in (answer_markdown(answer), answer.text):
        drawn = MarkdownIt().render(shown)
        assert "<p>From “Cellar”:</p>" in drawn
        assert drawn.endswith("</ul>\n<p>Stopped.</p>\n")
    states = [Answer("q", parts=parts[:count]) for count in range(len(parts) + 1)]
    for before, after in pairwise(states):
        assert after.text.startswith(before.text)
        assert answer_markdown(after).startswith(answer_markdown(before))
