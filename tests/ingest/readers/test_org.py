import random
import time

import pytest

from ingest.readers.org import read_org

NOTES = """\
# -*- mode: org -*-
:PROPERTIES:
:ID: 8a7f
:END:
#+title: House and
#+TITLE: garden
#+AUTHOR: Ann Lee
#+date: <2024-05-01 Wed>
#+filetags: :home:private:
#+TODO: TODO(t) BLOCKED(b@/!) | DONE(d)

What there is to do, with [[https://house.example/a_(b)][the *plan* [2]]].

* TODO [#A] Roof [1/3]                                      :work:@outside:
:PROPERTIES:
:ID: 1
:END:
** BLOCKED Tiles, see [[https://tiles.example][the shop]]   :buy:
   SCHEDULED: <2024-06-01 Sat>
   - Red ones
   - Forty of them,
     at https://price.example.
** DONE Gutter
* NEXT year
#+begin_src org
,* no heading
- no item https://code.example
#+end_src

| Tool   | Where |
|--------+-------|
| Hammer | shed  |

1) [[file:shed.org::*Keys][Keys]], [[id:77]], [[*Roof]] and [[#custom]]
  * starred
: https://fixed.example
: width
* COMMENT Empty
"""


def sections(text):
    reading = read_org(text)
    return [(section.heading_path, text[section.start : section.end].strip()) for section in reading.sections]


def pieces(reading, offsets):
    return [reading.text[offset:].split("\n")[0].strip() for offset in offsets]


def assert_sound(reading):
    ends = [0, *(place for section in reading.sections for place in (section.start, section.end)), len(reading.text)]
    assert ends == sorted(ends)
    for offsets in (reading.blocks, reading.items, [place for fence in reading.fences for place in fence]):
        assert offsets == sorted(offsets)
        assert all(0 <= offset <= len(reading.text) for offset in offsets)
    assert all(0 <= line <= reading.text.count("\n") for line, _ in (*reading.links, *reading.tags))


def test_sections_know_their_headings_and_lines():
    reading = read_org(NOTES)
    lines = NOTES.split("\n")
    assert reading.text == NOTES
    assert [(section.heading_path, lines[section.first_line].split()[:2]) for section in reading.sections] == [
        ((), ["What", "there"]),
        (("Roof", "Tiles, see the shop"), ["**", "BLOCKED"]),
        (("Roof", "Gutter"), ["**", "DONE"]),
        (("NEXT year",), ["*", "NEXT"]),
        (("Empty",), ["*", "COMMENT"]),
    ]


def test_what_a_file_says_of_itself_is_known_and_is_no_passage():
    reading = read_org(NOTES)
    assert (reading.title, reading.author, reading.published) == ("House and garden", "Ann Lee", "2024-05-01")
    assert reading.document_tags == ("home", "private")
    assert sections("#+TITLE: Only a title\n:PROPERTIES:\n:ID: 1\n:END:\n") == []


def test_tags_are_known_with_their_lines():
    assert read_org(NOTES).tags == [(13, "work"), (13, "@outside"), (17, "buy")]


def test_common_keywords_are_no_part_of_a_heading_unless_the_file_has_its_own():
    text = "* WAITING for Godot\ntext\n* [#B] TODO\n* Done: this\n* TODO\n* \n"
    headings = [path[0] for path, _ in sections(text)]
    assert headings == ["for Godot", "TODO", "Done: this", "(untitled)", "(untitled)"]
    assert sections("#+SEQ_TODO: OPEN | SHUT\n* WAITING for Godot\n* SHUT door\n")[0][0] == ("WAITING for Godot",)
    assert sections("#+SEQ_TODO: OPEN | SHUT\n* WAITING for Godot\n* SHUT door\n")[1][0] == ("door",)


@pytest.mark.parametrize("line", ["*bold* words", " * item", "*", "#+begin_quote\n,* quoted\n#+end_quote"])
def test_what_looks_like_a_heading_and_is_none(line):
    assert [path for path, _ in sections(f"* Real\n{line}\n")] == [("Real",)]


def test_a_heading_ends_a_block_as_it_does_in_emacs():
    reading = read_org("#+BEGIN_SRC sh\n* ls\n#+END_SRC\n")
    assert [section.heading_path for section in reading.sections] == [(), ("ls",)]
    assert reading.fences == []


def test_properties_do_not_make_a_passage_of_a_heading_that_only_announces_others():
    properties = ":PROPERTIES:\n:PHONE: 123\n:END:\n"
    assert [path for path, _ in sections(f"* Ann\n{properties}** Work\ntext\n")] == [("Ann", "Work")]
    assert sections(f"* Ann\n{properties}")[0] == (("Ann",), properties.strip())
    assert [path for path, _ in sections(f"* Ann\n{properties}Friend.\n** Work\ntext\n")] == [("Ann",), ("Ann", "Work")]


def test_code_is_kept_in_one_piece():
    reading = read_org(NOTES)
    assert [reading.text[start:end] for start, end in reading.fences] == [
        "#+begin_src org\n,* no heading\n- no item https://code.example\n#+end_src\n",
        ": https://fixed.example\n: width\n",
    ]


def test_paragraphs_items_and_rows_are_places_to_cut():
    reading = read_org(NOTES)
    items = ["- Red ones", "- Forty of them,", "| Tool   | Where |", "| Hammer | shed  |", "1) [[file", "* starred"]
    found = pieces(reading, reading.items)
    assert len(found) == len(items)
    assert all(line.startswith(item) for line, item in zip(found, items, strict=True))
    assert "| Tool   | Where |" in pieces(reading, reading.blocks)


def test_links_are_known_with_their_lines():
    links = [(line + 1, link.text, link.url) for line, link in read_org(NOTES).links]
    assert links == [
        (12, "the *plan* [2]", "https://house.example/a_(b)"),
        (18, "the shop", "https://tiles.example"),
        (34, "Keys", "file:shed.org::*Keys"),
        (34, "id:77", "id:77"),
        (22, "https://price.example", "https://price.example"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "see =http://a.example/?b=1=.",
            "~curl http://a.example~",
            "(=http://a.example=)",
            "=[[http://a.example][b]]=",
        ),
        *("# see http://a.example", "  # [[http://a.example][b]]", "#+begin_comment\nhttp://a.example\n#+end_comment"),
    ],
)
def test_what_is_code_or_a_comment_holds_no_links(text):
    assert read_org(f"words\n{text}\nwords\n").links == []


@pytest.mark.parametrize(
    "text", ["http://a.example/?b=c&d=e", "#a http://a.example/?b=c&d=e", "x = http://a.example/?b=c&d=e = y"]
)
def test_what_only_looks_like_code_or_a_comment_holds_links(text):
    assert [link.url for _, link in read_org(text).links] == ["http://a.example/?b=c&d=e"]


def test_code_in_a_label_is_kept():
    [(_, link)] = read_org("[[http://a.example][the =make= page]]").links
    assert link.text == "the =make= page"


def noisy(sample, count=200):
    """Variants of a sample: cut short, and with characters replaced."""
    dice = random.Random(7)
    for _ in range(count):
        characters = list(sample[: dice.randrange(len(sample))])
        for _ in range(dice.randrange(20) if characters else 0):
            characters[dice.randrange(len(characters))] = dice.choice("\n\t *#+:|[]<>\\\0\x0c\ufffdx")
        yield "".join(characters)


def test_broken_text_is_read_all_the_same():
    for text in noisy(NOTES):
        reading = read_org(text)
        assert reading.text == text
        assert_sound(reading)


@pytest.mark.parametrize("text", ["", "\n", "*", "* ", "#+begin_src", ":PROPERTIES:", "#+title:", "[[", ":"])
def test_next_to_nothing(text):
    assert_sound(read_org(text))


@pytest.mark.parametrize(
    "text",
    [
        "x" * 5_000_000,
        "* Heading\ntext\n" * 100_000,
        "".join("*" * depth + " deep\n" for depth in range(1, 2_000)),
        "".join("  " * (n % 1000) + "- item\n" for n in range(10_000)),
        "#+begin_src\n" * 300_000,
        "* h\n:PROPERTIES:\n" * 200_000,
        "[[" * 2_000_000,
        "[[a][b[c]" * 500_000,
        "* " + " :a" * 1_500_000,
        "* " + "[1/" * 1_500_000,
        " " * 5_000_000,
        " =a" * 200_000,
    ],
    ids=[
        *("one word", "headings", "deep headings", "nested list", "open blocks", "open drawers", "brackets"),
        *("descriptions", "tags", "cookies", "spaces", "marks of code"),
    ],
)
def test_hostile_text_is_read_in_bounded_time(text):
    started = time.monotonic()
    assert_sound(read_org(text))
    assert time.monotonic() - started < 60
