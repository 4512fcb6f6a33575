import random
import time

import pytest

from ingest.readers.rst import read_rst

GUIDE = """\
.. _brewing:

==================
 Brewing *coffee*
==================

:Author: Ann Lee
:Date: 2024-05-01
:Tags: coffee, kitchen

A guide with `pictures <https://pictures.example/a_(b)>`_, see also Hoffmann_
and the `Speciality Coffee
Association`__.

.. _beans:

Beans
=====

Roasts
------

1. Light roasts are sour.
2. Dark roasts are bitter,
   and oily.

   - Store them cold.

Grinding
--------

Grind them like this::

    grinder --coarse
    # not a comment of ours

    ======
    not a title
    ======

Or in Python:

.. code-block:: python
   :linenos:

   grind("https://code.example")

.. note:: See https://note.example/page.

>>> grind(1)
=====
1

Water
=====

Use :ref:`soft water <water>` at ``93 https://literal.example``; |logo| too.

.. |logo| image:: https://images.example/logo.png

.. _Hoffmann: https://hoffmann.example/
              coffee
.. _unused: https://unused.example
__ https://sca.example
"""


def sections(text):
    reading = read_rst(text)
    return [(section.heading_path, text[section.start : section.end].strip()) for section in reading.sections]


def pieces(reading, offsets):
    return [reading.text[offset:].split("\n")[0] for offset in offsets]


def assert_sound(reading):
    ends = [0, *(place for section in reading.sections for place in (section.start, section.end)), len(reading.text)]
    assert ends == sorted(ends)
    for offsets in (reading.blocks, reading.items, [place for fence in reading.fences for place in fence]):
        assert offsets == sorted(offsets)
        assert all(0 <= offset <= len(reading.text) for offset in offsets)
    assert all(0 <= line <= reading.text.count("\n") for line, _ in reading.links)


def test_sections_know_their_headings_and_lines():
    reading = read_rst(GUIDE)
    lines = GUIDE.split("\n")
    assert reading.text == GUIDE
    assert [(section.heading_path, lines[section.first_line]) for section in reading.sections] == [
        (("Brewing coffee",), "=================="),
        (("Brewing coffee", "Beans", "Roasts"), "Roasts"),
        (("Brewing coffee", "Beans", "Grinding"), "Grinding"),
        (("Brewing coffee", "Water"), "Water"),
    ]


def test_title_author_date_and_tags_stand_at_the_top():
    reading = read_rst(GUIDE)
    assert (reading.title, reading.author, reading.published) == ("Brewing coffee", "Ann Lee", "2024-05-01")
    assert reading.document_tags == ("coffee", "kitchen")


def test_a_field_list_further_down_says_nothing_of_the_document():
    reading = read_rst("Title\n=====\n\n:Date: $Date$\n\nText.\n\n:author: of the example\n:date: of the example\n")
    assert (reading.author, reading.published) == ("", "")


def test_text_before_the_first_title_is_a_section_without_heading():
    assert sections("Some words.\n\nTitle\n=====\ntext\n") == [((), "Some words."), (("Title",), "text")]


def test_a_heading_alone_is_kept_only_where_nothing_stands_below_it():
    text = "Shelf\n=====\n\nThe key\n-------\n\n.. _b:\n\nParent\n------\n\nChild\n~~~~~\n"
    assert sections(text) == [(("Shelf", "The key"), ""), (("Shelf", "Parent", "Child"), "")]


def test_levels_follow_the_order_in_which_adornments_appear():
    text = "A\n~~~~\n\nB\n****\n\n====\n C\n====\n\nD\n****\n\nE\n====\n\nF\n~~~~\n"
    text = text.replace("\n\n", "\n\ntext\n\n")
    assert [path for path, _ in sections(text)] == [
        ("A",),
        ("A", "B"),
        ("A", "B", "C"),
        ("A", "D"),
        ("A", "D", "E"),  # skips a level, and so is no error here
        ("F",),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "A paragraph of\ntwo lines\n=====\n",
        "- an item\n---------\n",
        "=====  =====\nCol 1  Col 2\n=====  =====\na      b\n\nspanning\n------------\n=====  =====\n",
        "+------+\n| cell |\n+------+\n",
        "above\n\n----------\n\nbelow\n",
        ">>> rule()\nresult\n======\n",
        "Look::\n\n  Title\n  =====\n",
        "Look::\n\n> quoted\n> ------\n",
        ".. note::\n\n   Title\n   =====\n",
        "Title\n==\n",
        "word " * 300 + "\n=====\n",
    ],
)
def test_what_looks_like_a_title_and_is_none(text):
    assert [path for path, _ in sections(text)] == [()]


def test_titles_lose_their_markup():
    title = "Use ``*args`` and :py:func:`run <mod.run>` in **bold** `docs <https://x.example>`_ \\*"
    assert sections(f"{title}\n====\n\ntext\n") == [(("Use *args and run in bold docs *",), "text")]


def test_a_title_may_follow_markup_without_a_blank_line():
    assert [path for path, _ in sections(".. _label:\nFirst\n=====\n- item\nSecond\n======\ntext\n")] == [
        ("First",),
        ("Second",),
    ]


def test_code_is_kept_in_one_piece_with_its_directive():
    reading = read_rst(GUIDE)
    assert [reading.text[start:end] for start, end in reading.fences] == [
        "    grinder --coarse\n    # not a comment of ours\n\n    ======\n    not a title\n    ======\n",
        '.. code-block:: python\n   :linenos:\n\n   grind("https://code.example")\n',
        ">>> grind(1)\n=====\n1\n",
    ]


def test_code_belongs_to_the_list_item_that_announces_it():
    [fence] = read_rst("- Run::\n\n    ls\n\n  and go on.\n\n::\n").fences
    assert fence == (9, 16)
    text = "::\n\n  alone\n\nEnd::\n\n.. note::\n\nText\n"
    assert [text[start:end] for start, end in read_rst(text).fences] == ["::\n\n  alone\n"]


def test_directives_of_unknown_kind_are_text():
    [(path, text)] = sections(".. versionadded:: 3.2\n   More `words`:unknown: here.\n\n.. toctree::\n\n   one\n")
    assert path == ()
    assert "words" in text and "one" in text


def test_paragraphs_and_items_are_places_to_cut():
    reading = read_rst(GUIDE)
    items = pieces(reading, reading.items)
    assert items[:3] == [":Author: Ann Lee", ":Date: 2024-05-01", ":Tags: coffee, kitchen"]
    assert items[3:6] == ["1. Light roasts are sour.", "2. Dark roasts are bitter,", "   - Store them cold."]
    blocks = pieces(reading, reading.blocks)
    assert "1. Light roasts are sour." in blocks
    assert "2. Dark roasts are bitter," not in blocks
    assert "Or in Python:" in blocks
    assert not [line for line in blocks + items if "not a" in line or "code.example" in line]


def test_terms_and_table_rows_are_items():
    text = "term\n  What it means.\nother\n  Means more.\n\n+---+\n| a |\n+---+\n| b |\n+---+\n"
    reading = read_rst(text)
    assert pieces(reading, reading.items) == ["term", "other", "+---+", "+---+", "+---+"]


def test_a_long_directive_may_be_cut_between_its_paragraphs():
    reading = read_rst(".. function:: brew(beans)\n\n   Brews coffee.\n   Slowly.\n\n   Then stops.\n\nAfter.\n")
    assert pieces(reading, reading.items) == ["   Brews coffee.", "   Then stops."]
    assert pieces(reading, reading.blocks) == [".. function:: brew(beans)", "After."]


def test_a_list_with_blank_lines_in_it_is_one_block():
    reading = read_rst("Before.\n\n- one\n\n  more\n\n- two\n\nAfter.\n")
    assert pieces(reading, reading.blocks) == ["Before.", "- one", "After."]
    assert pieces(reading, reading.items) == ["- one", "  more", "- two"]


def test_a_dash_within_a_paragraph_is_no_item():
    assert read_rst("A sentence that goes on\n- as sentences do -\nto its end.\n").items == []


def test_links_are_known_with_their_lines():
    assert [(line + 1, link.text, link.url) for line, link in read_rst(GUIDE).links] == [
        (11, "pictures", "https://pictures.example/a_(b)"),
        (11, "Hoffmann", "https://hoffmann.example/coffee"),
        (12, "Speciality Coffee Association", "https://sca.example"),
        (63, "unused", "https://unused.example"),
        (48, "https://note.example/page", "https://note.example/page"),
    ]


def test_names_are_resolved_whatever_their_case_and_however_indirect():
    text = (
        "`The Docs`_ and again docs_, old_, `text <the docs_>`_, `named <https://named.example>`_, named_ or lost_.\n\n"
        ".. _the docs: https://docs.example/a\\_b\n.. _docs: `the docs`_\n.. _old: docs_\n.. _round: round_\n\nround_\n"
    )
    assert [(link.text, link.url) for _, link in read_rst(text).links] == [
        ("The Docs", "https://docs.example/a_b"),
        ("docs", "https://docs.example/a_b"),
        ("old", "https://docs.example/a_b"),
        ("text", "https://docs.example/a_b"),
        ("named", "https://named.example"),
        ("named", "https://named.example"),
    ]


@pytest.mark.parametrize(
    "text",
    [".. see http://a.example", "..\n   http://a.example", "- b\n\n  .. `a <http://a.example>`_\n\n     www.a.example"],
)
def test_comments_hold_no_links(text):
    assert read_rst(text).links == []


@pytest.mark.parametrize(
    "text",
    [
        *(".. note:: http://a.example", ".. note ::\n\n   http://a.example", ".. [1] http://a.example"),
        *("..\n\n   http://a.example", ".. comment\nhttp://a.example", ".. |x| replace:: http://a.example"),
        *(".. _a: http://a.example", "...and http://a.example"),
    ],
)
def test_what_only_looks_like_a_comment_holds_links(text):
    assert [link.url for _, link in read_rst(text).links] == ["http://a.example"]


def noisy(sample, count=200):
    """Variants of a sample: cut short, and with characters replaced."""
    dice = random.Random(7)
    for _ in range(count):
        characters = list(sample[: dice.randrange(len(sample))])
        for _ in range(dice.randrange(20) if characters else 0):
            characters[dice.randrange(len(characters))] = dice.choice("\n\t `*_=-:.|<>\\\0\x0c\ufffdx")
        yield "".join(characters)


def test_broken_text_is_read_all_the_same():
    for text in noisy(GUIDE):
        reading = read_rst(text)
        assert reading.text == text
        assert_sound(reading)


@pytest.mark.parametrize("text", ["", "\n", "=", "====", "::", "..", "\t", ".. code::", "x\n\n::\n\n"])
def test_next_to_nothing(text):
    assert_sound(read_rst(text))


@pytest.mark.parametrize(
    "text",
    [
        "x" * 5_000_000,
        "*a " * 1_600_000,
        "`a " * 1_600_000,
        "a-" * 2_500_000,
        ":a" * 2_500_000,
        "".join("  " * (n % 1000) + "- item\n\n" for n in range(10_000)),
        "".join("  " * n + "deep\n\n" for n in range(2_000)),
        "".join(f"Heading {n}\n-----------\n\ntext\n\n" for n in range(100_000)),
        ".. code::\n" * 300_000,
        "::\n\n" * 500_000,
        ".. _a: a_\n" * 300_000,
        "".join(f".. _a{n}: a{n + 1}_\n" for n in range(20_000)) + "a0_ " * 20_000,
        "=== ===\nx\n" * 200_000,
        "*a " * 330 + "\n====\n\n" + (":a" * 490 + "\n====\n\n") * 3_000,
    ],
    ids=[
        *("one word", "emphasis", "backticks", "hyphens", "fields", "nested list", "nested quotes", "headings"),
        *("directives", "literal marks", "targets", "chain of targets", "tables", "marked titles"),
    ],
)
def test_hostile_text_is_read_in_bounded_time(text):
    started = time.monotonic()
    assert_sound(read_rst(text))
    assert time.monotonic() - started < 60
