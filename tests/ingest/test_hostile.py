"""Names, archives and texts that mean harm (rows T9 and T15 of the threats that the project is built against)."""

import io
import os
import sys
import time
import zipfile

import pytest

from ingest.pipeline import ingest


@pytest.mark.parametrize(
    "name", ["CON.md", "x" * 240 + ".md", '"><img src=x onerror=alert(1)>.md', "a\nb.md", "-rf.md", "..md"]
)
def test_a_file_may_be_called_anything(store, settings, tmp_path, name):
    folder = tmp_path / "n"
    folder.mkdir()
    (folder / name).write_text("## Heading\nkept\n")
    summary = ingest(store, settings, [folder])
    assert (summary.added, summary.failed) == ((0, 0) if name.startswith("..") else (1, 0))
    assert ingest(store, settings, [folder]).unchanged == summary.added


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_a_name_that_is_no_text_is_passed_over(store, settings, tmp_path):
    folder = tmp_path / "n"
    folder.mkdir()
    (folder / "good.md").write_text("kept\n")
    with open(os.fsencode(folder) + b"/bad\xff.md", "wb") as file:
        file.write(b"text\n")
    os.mkdir(os.fsencode(folder) + b"/bad\xff")
    summary = ingest(store, settings, [folder])
    assert (summary.added, summary.skipped) == (1, 2)
    assert {reason for _, reason in summary.left_out} == {"its name is not valid Unicode"}


def test_an_archive_cannot_write_anywhere(store, settings, tmp_path):
    names = ["../../x.md", "/abs.md", "C:/x.md", "..\\..\\y.md", "a/../../z.md", "CON.md", "n" * 300 + ".md"]
    folder = tmp_path / "n"
    folder.mkdir()
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for name in names:
            archive.writestr(name, f"## {name[:20]}\ntext\n")
    before = sorted(tmp_path.rglob("*.md"))
    summary = ingest(store, settings, [folder])
    assert (summary.added, summary.documents) == (1, 2), "only the two names that lead nowhere else are read"
    assert sorted(tmp_path.rglob("*.md")) == before


@pytest.fixture(scope="module")
def bomb():
    data = io.BytesIO()
    with (
        zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("bomb.md", "w") as member,
    ):
        for _ in range(1028):
            member.write(b"a" * 2**20)
    return data.getvalue()


@pytest.mark.parametrize("suffix", ["zip", "docx", "pptx", "epub"])
def test_a_zip_bomb_is_refused(store, settings, tmp_path, suffix, bomb):
    folder = tmp_path / "n"
    folder.mkdir()
    (folder / f"bomb.{suffix}").write_bytes(bomb)
    (folder / "good.md").write_text("kept\n")
    summary = ingest(store, settings, [folder])
    assert (summary.added, summary.failed) == (1, 1)
    assert f"bomb.{suffix}: unpacks to" in summary.failures[0]


def aliases():
    """Front matter that grows tenfold with each line, to those who spell it out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join(["---", *lines, "tags: *a11", "title: *a11", "---", "text", ""])


def merges():
    """Front matter in which each line holds ten times what the one before it holds."""
    lines = [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    return "\n".join(["---", "a0: &a0 {x: y}", *lines, "---", "text", ""])


HOSTILE = {
    "line.md": "x" * 5_000_000,
    "words.txt": "word " * 1_000_000,
    "backticks.md": "`" * 1_000_000,
    "fences.md": "```\n" * 250_000,
    "brackets.md": "[" * 100_000,
    "addresses.md": "https://x" + ")" * 1_000_000,
    "list.md": "".join("  " * (n % 500) + "- item\n" for n in range(10_000)),
    "quotes.md": "> " * 20_000 + "deep",
    "table.md": "| a " * 5_000 + "\n" + "|---" * 5_000,
    "tags.md": "#a" * 500_000,
    "wiki.md": "[[" * 100_000,
    "alias.md": aliases(),
    "merge.md": merges(),
    "deep.html": "<div>" * 100_000 + "text of some length that is here to be found" + "</div>" * 100_000,
    "open.html": "<p><b><i>" * 200_000,
    "less.html": "<" * 300_000,
    "line.html": "<p>" + "word " * 1_000_000,
    "rst.rst": "=" * 1_000_000,
    "org.org": "*" * 1_000_000 + " a",
    "quote.csv": '"' * 1_000_000,
    "deep.ipynb": '{"cells": ' + "[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_read_or_refused_in_bounded_time(store, settings, tmp_path, name, monkeypatch):
    # the encoder is not what is tested, and takes minutes over five megabytes
    monkeypatch.setattr("knowledge.store.Store.embed", lambda self, chunks: None)
    folder = tmp_path / "n"
    folder.mkdir()
    (folder / name).write_text(HOSTILE[name])
    started = time.monotonic()
    summary = ingest(store, settings, [folder])
    assert time.monotonic() - started < 100
    assert summary.added + summary.failed + summary.skipped == 1
    for line in (*summary.failures, *summary.notes_left_out()):
        assert "crash" not in line
        assert "longer than" not in line
