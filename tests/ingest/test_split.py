import time

import pytest

from ingest.readers.markdown import read_markdown
from ingest.readers.plain import read_plain
from ingest.split import split as split_reading
from knowledge.encoder import OnnxEncoder
from knowledge.settings import DEFAULT_EMBEDDING_MODEL


@pytest.fixture(scope="module")
def encoder(models):
    return OnnxEncoder(models / DEFAULT_EMBEDDING_MODEL)


def titled(reading, title="note"):
    reading.title = reading.title or title
    return reading


@pytest.fixture
def split(encoder):
    return lambda text: split_reading("note.md", titled(read_markdown(text)), encoder)


def test_sections_know_their_headings_and_lines(split):
    chunks = split("intro\n\n# Top\ntext\n\n## Sub\n\nmore\nlines\n\nSetext\n------\nend\n")
    assert [(chunk.heading_path, chunk.lines, chunk.text) for chunk in chunks] == [
        (("Top",), (1, 1), "intro"),
        (("Top",), (3, 4), "text"),
        (("Top", "Sub"), (6, 9), "more\nlines"),
        (("Top", "Setext"), (11, 13), "end"),
    ]


def test_a_formula_is_in_one_chunk_however_long_its_section(split):
    formula = "$$\n" + " \\\\\n".join(f"\\lambda_{{{n}}} &= {n}. N, M" for n in range(10)) + "\n$$"
    chunks = split("## H\n" + "\n".join(f"In step {n} we have\n{formula}" for n in range(8)))
    assert len(chunks) > 2
    assert sum(chunk.text.count(formula) for chunk in chunks) == 8


def test_a_heading_alone_is_kept_only_where_nothing_stands_below_it(split):
    chunks = split("# Shelf\n## Wifi password is hunter2\n## Empty parent\n### Child\ntext\n")
    assert [chunk.heading_path[-1] for chunk in chunks] == ["Wifi password is hunter2", "Child"]
    assert chunks[0].text == "Wifi password is hunter2"
    assert chunks[0].lines == (2, 2)


def test_what_looks_like_a_heading_in_code_or_quotes_is_none(split):
    chunks = split("## Real\n```\n# comment\n```\n> # quoted\n\n    # indented code\n")
    assert [chunk.heading_path for chunk in chunks] == [("Real",)]


@pytest.mark.parametrize("line", ["!!bool maybe", '!!int ""', '!!float ""', "!!timestamp foo", "!!python/name:os.x y"])
def test_front_matter_is_text_whatever_type_it_claims_to_be_of(line):
    assert read_markdown(f"---\ntitle: Kept\ndone: {line}\n---\ntext\n").title == "Kept"


@pytest.mark.parametrize(("value", "title"), [("007", "007"), ("yes", "yes"), ("2024-02-30", "2024-02-30"), ("~", "")])
def test_front_matter_says_what_is_written_there(value, title):
    assert read_markdown(f"---\ntitle: {value}\ntags:\n---\ntext\n").title == title


def test_front_matter_gives_title_and_tags_and_keeps_the_lines(encoder):
    reading = read_markdown("---\ntitle: My day\ntags: [a, '#b']\n---\n\n## H\ntext\n")
    chunks = split_reading("n.md", reading, encoder)
    assert reading.title == "My day"
    assert [(chunk.heading_path, chunk.lines, chunk.tags) for chunk in chunks] == [(("H",), (6, 7), ("a", "b"))]


@pytest.mark.parametrize(
    "text",
    [
        "---\n: bad: yaml: [\n---\ntext\n",
        "---\nnot closed\n",
        "---\n- a list\n---\n",
        "---\n---\n",
        "---\ndate: 2024-02-30\n---\n",
    ],
)
def test_broken_front_matter_is_no_obstacle(split, text):
    split(text)


def test_scripts_whose_characters_are_several_tokens_are_cut_where_the_encoder_ends(split, encoder):
    chunks = split("## 일지\n" + "한국어 문서를 읽고 쓴다. " * 16 + "\n")
    assert len(chunks) > 1
    assert all(len(encoder.token_starts(chunk.embedded_text)) <= encoder.max_tokens for chunk in chunks)


def test_links_are_known_as_they_were_written(split):
    persian = "https://dataio.ir/%D8%A8%D9%87-%D8%AA"
    [chunk] = split(
        f"## H\n[a](https://a.example/x_(y)), [b](<https://b.example>),[c]({persian})\\\n"
        "[empty]() <https://auto.example> bare https://bare.example/p, [ref][r]\n\n[r]: https://ref.example\n"
    )
    assert [(link.text, link.url) for link in chunk.links] == [
        ("a", "https://a.example/x_(y)"),
        ("b", "https://b.example"),
        ("c", persian),
        ("empty", ""),
        ("https://auto.example", "https://auto.example"),
        ("https://bare.example/p", "https://bare.example/p"),
        ("ref", "https://ref.example"),
    ]


def test_a_long_section_is_cut_into_verbatim_parts_that_the_encoder_reads_whole(split, encoder):
    paragraphs = [f"Paragraph {n} says a few things about subject {n}. It goes on for a while." for n in range(60)]
    text = "## Long\n\n" + "\n\n".join(paragraphs) + "\n"
    chunks = split(text)
    lines = text.split("\n")
    assert len(chunks) > 3
    for chunk in chunks:
        assert len(encoder.token_starts(chunk.embedded_text)) <= encoder.max_tokens
        assert chunk.text in text
        assert chunk.text.split("\n")[-1] in lines[chunk.lines[1] - 1]
        assert chunk.text.endswith("while.")
    assert "\n\n".join(chunk.text for chunk in chunks) == "\n\n".join(paragraphs)


def test_code_is_never_cut(split):
    code = "```python\n" + "\n".join(f"value_{n} = compute({n})" for n in range(200)) + "\n```"
    chunks = split(f"## Code\nBefore.\n\n{code}\n\nAfter.\n")
    assert sum(code in chunk.text for chunk in chunks) == 1


def test_the_links_at_the_end_stay_with_their_section(split):
    body = " ".join(f"Word{n} stands here." for n in range(58))
    chunks = split(f"## H\n{body}\n\n[one](https://a.example/{'x' * 300})\n")
    assert chunks[-1].links
    assert "stands here" in chunks[-1].text


def test_a_list_is_cut_between_its_items(split):
    items = [f"- Item {n} with a description that takes up some room on the line." for n in range(60)]
    chunks = split("## List\n" + "\n".join(items) + "\n")
    assert all(chunk.text.startswith("- Item") for chunk in chunks)


def test_plain_text_is_cut_at_paragraphs_and_has_no_headings(encoder):
    text = "\n\n".join(f"# Not a heading {n}. " + "Some words follow it here. " * 8 for n in range(20))
    chunks = split_reading("a.txt", titled(read_plain(text), "a"), encoder)
    assert len(chunks) > 3
    assert {chunk.heading_path for chunk in chunks} == {("a",)}
    assert all(chunk.text.startswith("# Not") for chunk in chunks)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 5_000_000,
        "word " * 200_000,
        "`" * 200_000,
        "[" * 20_000,
        "> " * 5_000 + "deep",
        "".join("  " * (n % 1000) + "- item\n" for n in range(10_000)),
        "*a " * 20_000,
        "<div>" * 20_000,
        "| a " * 5_000 + "\n" + "|---" * 5_000,
    ],
    ids=["one word", "one line", "backticks", "brackets", "quotes", "nested list", "emphasis", "tags", "table"],
)
def test_hostile_text_is_split_in_bounded_time(split, text):
    started = time.monotonic()
    chunks = split("## H\n" + text)
    assert time.monotonic() - started < 60
    assert all(len(chunk.text) < 200_000 for chunk in chunks) or "\n" not in text
