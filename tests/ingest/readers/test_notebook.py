import json
import random
import time

import pytest

from ingest.readers.notebook import read_notebook
from ingest.reading import Unreadable

PICTURE = "iVBORw0KGgoAAAANSUhEUg" * 50


def markdown(*lines):
    return {"cell_type": "markdown", "metadata": {}, "source": list(lines)}


def code(source, *outputs):
    return {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": source, "outputs": list(outputs)}


def printed(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def result(**data):
    data = {name.replace("_", "/"): value for name, value in data.items()}
    return {"output_type": "execute_result", "metadata": {}, "execution_count": 1, "data": data}


def notebook(*cells, language="python", **metadata):
    metadata = {"kernelspec": {"language": language, "name": "k", "display_name": "K"}, **metadata}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}).encode()


STUDY = notebook(
    markdown("# Tides\n", "\n", "Measured at [the pier](https://pier.example)."),
    code(""),
    code("# not a heading\nheight = 3\nheight", printed(["low\n", "high\n"]), result(text_plain="3")),
    markdown("## Results\n", "Higher than thought."),
    code(
        "plot()",
        result(text_plain="<Figure size 640x480 with 1 Axes>", image_png=PICTURE),
        result(text_plain="   a\n0  1", text_html="<table><tr><td>1</td></tr></table>"),
    ),
    {"cell_type": "raw", "metadata": {}, "source": "# \\LaTeX"},
)


def sections(data):
    reading = read_notebook(data)
    return [(section.heading_path, reading.text[section.start : section.end].strip()) for section in reading.sections]


def test_prose_stays_and_code_and_what_it_printed_stand_in_fences():
    assert sections(STUDY) == [
        (
            ("Tides",),
            "Measured at [the pier](https://pier.example).\n\n"
            "```python\n# not a heading\nheight = 3\nheight\n```\n\n```text\nlow\nhigh\n```\n\n```text\n3\n```",
        ),
        (
            ("Tides", "Results"),
            "Higher than thought.\n\n```python\nplot()\n```\n\n```text\n   a\n0  1\n```\n\n```text\n# \\LaTeX\n```",
        ),
    ]


def test_pictures_and_markup_are_left_out():
    text = read_notebook(STUDY).text
    assert "iVBOR" not in text and "<t" not in text and "Figure" not in text
    inline = read_notebook(notebook(markdown(f"Before ![x](data:image/png;base64,{PICTURE}) after"))).text
    assert inline.strip() == "Before ![x](data:image/png;base64,…) after"


def test_code_and_outputs_are_fences_and_links_are_known():
    reading = read_notebook(STUDY)
    assert [reading.text[start:end].split("\n")[0] for start, end in reading.fences] == [
        *("```python", "```text", "```text", "```python", "```text", "```text")
    ]
    assert [link.url for _, link in reading.links] == ["https://pier.example"]


def test_places_are_cells_counted_from_the_first():
    reading = read_notebook(STUDY)
    assert [(str(place), reading.text[offset:].split("\n")[0]) for offset, place in reading.places] == [
        ("cell 1", "# Tides"),
        ("cell 3", "```python"),
        ("cell 4", "## Results"),
        ("cell 5", "```python"),
        ("cell 6", "```text"),
    ]


def test_the_title_is_the_notebooks_own_else_its_first_heading():
    assert read_notebook(STUDY).title == "Tides"
    assert read_notebook(notebook(markdown("# One"), title="Own")).title == "Own"
    assert read_notebook(notebook(markdown("words\n### Three"))).title == "Three"
    front_matter = {"cell_type": "raw", "source": "---\ntitle: Quarto\ntags: [sea]\n---\n"}
    assert read_notebook(notebook(front_matter, markdown("# One"))).title == "Quarto"
    assert read_notebook(notebook(front_matter)).document_tags == ("sea",)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m and \x1b]0;title\x07plain\x1b(B", "red and plain"),
        ("  0%|   |\r 50%|== |\r100%|===|\ndone\r\n", "100%|===|\ndone"),
        ("short\n" * 1000, "short\n" * 332 + "short\n…"),
        ("x" * 5000, "x" * 2000 + "\n…"),
    ],
    ids=["colours", "progress", "many lines", "one line"],
)
def test_what_was_printed_is_kept_as_a_terminal_shows_it_up_to_a_length(text, shown):
    assert read_notebook(notebook(code("run()", printed(text)))).text.split("```text\n")[1] == f"{shown}\n```\n\n"


def test_of_an_error_only_its_name_and_message_are_kept():
    error = {"output_type": "error", "ename": "ValueError", "evalue": "\x1b[1mno\x1b[0m tide", "traceback": ["Trace"]}
    text = read_notebook(notebook(code("fail()", error))).text
    assert text.strip().endswith("```text\nValueError: no tide\n```")
    assert "Trace" not in text


@pytest.mark.parametrize("shown", ["<Axes object at 0x7f00>", "[<matplotlib.lines.Line2D at 0x7f0a12>]"])
def test_an_object_that_says_nothing_is_left_out(shown):
    assert "0x7f" not in read_notebook(notebook(code("plot()", result(text_plain=shown)))).text
    assert "<b> at" in read_notebook(notebook(code("plot()", result(text_plain="<b> at")))).text


def test_nothing_in_a_cell_closes_its_fence_and_no_cell_leaves_one_open():
    text = "````\n# inside\n```\n"
    assert [path for path, _ in sections(notebook(code(text), markdown("# After")))] == [(), ("After",)]
    assert [path for path, _ in sections(notebook(markdown("```\n# inside"), markdown("# After")))] == [(), ("After",)]
    closed = "~~~\n```\n~~~\n\nend"
    assert read_notebook(notebook(markdown(closed))).text.strip() == closed


def test_a_strange_language_breaks_no_fence():
    assert read_notebook(notebook(code("x"), language="r`\n# no")).text == "```\nx\n```\n\n"


@pytest.mark.parametrize("version", [2, 3])
def test_notebooks_of_older_versions_are_read(version):
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Old\n", "tides"]},
        {"cell_type": "markdown", "source": "Words."},
        {
            "cell_type": "code",
            "language": "julia",
            "input": ["height\n", "width"],
            "outputs": [
                {"output_type": "stream", "stream": "stdout", "text": "low\n"},
                {"output_type": "pyout", "prompt_number": 1, "text": ["3"], "html": "<b>3</b>", "png": PICTURE},
                {"output_type": "pyerr", "ename": "E", "evalue": "bad", "traceback": []},
            ],
        },
    ]
    old = {"metadata": {"name": "x"}, "nbformat": version, "worksheets": [{"cells": cells[:1]}, {"cells": cells[1:]}]}
    assert sections(json.dumps(old).encode()) == [
        (
            ("Old tides",),
            "Words.\n\n```julia\nheight\nwidth\n```\n\n```text\nlow\n```\n\n```text\n3\n```\n\n```text\nE: bad\n```",
        )
    ]


def test_the_first_version_is_read():
    old = {"cells": [{"cell_type": "text", "text": "Words."}, {"cell_type": "code", "code": "x", "prompt_number": 1}]}
    assert read_notebook(json.dumps(old).encode()).text == "Words.\n\n```\nx\n```\n\n"


@pytest.mark.parametrize(
    "cell",
    [
        {},
        {"cell_type": "code"},
        {"cell_type": "code", "source": None, "outputs": [None, {}, {"output_type": "stream"}, {"data": []}]},
        {"cell_type": "markdown", "source": [1, "words", None]},
        {"cell_type": "heading", "level": 10**9, "source": "deep"},
        {"cell_type": "heading", "level": "two", "source": "text"},
        None,
        "words",
    ],
)
def test_a_cell_that_lacks_something_is_no_obstacle(cell):
    assert "Still here." in read_notebook(notebook(cell, markdown("Still here."))).text


def test_characters_that_are_none_are_replaced():
    text = read_notebook(b'{"cells": [{"cell_type": "markdown", "source": "a\\ud800b\\u0000c \\ud83d\\ude00"}]}').text
    assert text == "a\ufffdb\ufffdc \N{GRINNING FACE}\n\n"


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'"x"', b"{}", b'{"cells": 3}', b'{"worksheets": {}}', STUDY[:-3], b"[" * 1_000_000],
    ids=["nothing", "bracket", "list", "null", "text", "object", "number", "sheets", "cut", "deep"],
)
def test_what_is_no_notebook_is_refused(data):
    with pytest.raises(Unreadable, match="no Jupyter notebook"):
        read_notebook(data)


def noisy(sample, count=200):
    """Variants of a sample with bytes replaced; some are cut short."""
    dice = random.Random(7)
    for number in range(count):
        data = bytearray(sample if number % 4 else sample[: dice.randrange(len(sample))])
        for _ in range(dice.randrange(1, 8) if data else 0):
            data[dice.randrange(len(data))] = dice.choice(b'\n"\\{}[],: `#\x00\xff\xc3x')
        yield bytes(data)


def test_broken_notebooks_are_read_or_refused():
    refused = 0
    for data in noisy(STUDY.replace(PICTURE.encode(), b"")):
        try:
            reading = read_notebook(data)
        except Unreadable:
            refused += 1
        else:
            assert all(0 <= offset <= len(reading.text) for offset, _ in reading.places)
            assert all(section.start <= section.end <= len(reading.text) for section in reading.sections)
    assert 0 < refused < 200


@pytest.mark.parametrize(
    "data",
    [
        notebook(code("x" * 5_000_000)),
        notebook(code("`" * 5_000_000)),
        notebook(*[markdown(f"# Heading {n}\ntext") for n in range(30_000)]),
        notebook(markdown("".join("  " * (n % 1000) + "- item\n" for n in range(10_000)))),
        notebook(code("run()", printed("\r" * 5_000_000), printed("\x1b[" * 2_000_000), printed("\x1b]0" * 500_000))),
        notebook(markdown("data:" * 500_000 + "data:a;base64," * 100_000)),
        notebook(markdown("```\n" * 200_000)),
        b'{"cells": ' + b"[" * 1_000_000,
        b'{"cells": [], "x": ' + b"1" * 1_000_000 + b"}",
    ],
    ids=["line", "backticks", "headings", "list", "terminal", "addresses", "fences", "depth", "number"],
)
def test_hostile_notebooks_are_read_or_refused_in_bounded_time(data):
    started = time.monotonic()
    try:
        read_notebook(data)
    except Unreadable:
        assert not data.endswith(b'"nbformat_minor": 5}')
    assert time.monotonic() - started < 60
