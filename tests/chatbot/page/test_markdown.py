import re

import pytest

from chatbot.page.markdown import blocks, inline
from knowledge.documents import Chunk
from knowledge.evidence import units


def marked_words(text, *which):
    """What is marked where these units of a passage are cited, each block's words together."""
    found = units(Chunk("n.md", "n", ("H",), (1, 1), text))
    html = blocks(text, tuple((found[n].start, found[n].end) for n in which))
    return re.findall(r"<mark>(.*?)</mark>", html), html


def test_marks_hold_the_cited_words_and_leave_the_markup_whole():
    text = '> **First** one. *"Second"* stands. Third `x`.\n\n1. Item [link](http://a.example).\n2. Other.\n'
    marks, html = marked_words(text, 0, 2, 3)
    assert "".join(marks) == "First one.Third x.Item link."
    assert "<em>&quot;Second&quot;</em>" in html
    assert re.search(r'<ol dir="auto">\s*<li><mark>Item ', html)
    assert 'href="http://a.example"' in html


def test_a_cited_row_and_cited_code_are_marked_where_they_stand():
    text = "| a | b |\n|---|--:|\n| c | d |\n\n```python\nx = 1\n```\nEnd.\n"
    marks, html = marked_words(text, 0, 1)
    assert [mark.strip() for mark in marks] == ["c", "d"]
    assert html.count("<td") == 2
    assert '<div class="code cited">' in html
    assert "<mark>End." not in html


def test_an_item_with_code_in_it_keeps_its_code():
    marks, html = marked_words("- Run:\n\n    ```sh\n    make\n    ```\n- Next.\n", 0, 1, 2)
    assert "make" in html
    assert html.count("<pre") == 1


def test_code_has_colours_for_a_language_that_is_known_and_none_else():
    assert '<span class="t-k">return</span>' in blocks("```python\nreturn 1\n```")
    for info in ("", "klingon"):
        assert "<code>return 1\n</code>" in blocks(f"```{info}\nreturn 1\n```")


@pytest.mark.parametrize("formula", ["$x^2$", "$x$", r"\(x^2\)", "$$x^2$$", r"\[x^2\]", "$$\nx\n- y = 1\n$$"])
def test_formulas_are_drawn(formula):
    html = blocks(f"Before.\n\n{formula}\n")
    assert html.count("<math") == 1
    assert "$" not in html and "<li" not in html


@pytest.mark.parametrize(
    "words",
    ["It costs $5 and $10.", "$5 (or US$)", "from $20M to $30M, $5/$6", "$HOME/$USER", "${A}/${B}", "`$x$` and `$y$`"],
)
def test_money_and_names_of_variables_are_no_formulas(words):
    assert "<math" not in inline(words)
    assert inline(words).count("$") == words.count("$")


def test_escaped_brackets_are_no_formulas():
    assert inline(r"\[sic\] \(see\) \[1\]") == "[sic] (see) [1]"


@pytest.mark.parametrize("broken", [r"\frac{", "{" * 900 + "}" * 900, "a_b_c^"])
def test_a_formula_that_cannot_be_read_is_shown_as_it_is_written(broken):
    html = inline(f"${broken}$")
    assert broken in html or "<math" in html


def test_links_of_notes_lead_to_the_web_or_nowhere():
    html = inline("[a](other.md) [b](//evil.example) [c](https://a.example) [d](file:///etc/passwd)")
    assert re.findall(r'href="(.*?)"', html) == ["https://a.example"]


def test_every_block_takes_the_direction_of_its_words():
    html = blocks("## سلام\n\nمتن فارسی.\n\n- یک\n")
    assert len(re.findall(r'<(?:h4|p|ul) dir="auto">', html)) == 3
    assert "<li>" in html, "or the list would not take the direction of its items"
