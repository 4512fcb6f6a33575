import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingest.pipeline import ingest
from knowledge.errors import NotesError
from knowledge.store import Store
from tests.conftest import NOTES, ROOT

QUERY = "anything"


def texts(store):
    return sorted(chunk.text for listed in store.documents() for chunk in store.get(listed.document.source))


def dense(store):
    """Every chunk reachable through the vectors."""
    return sorted(hit.chunk.text for hit in store.rank_dense(QUERY))


class CountingEncoder:
    """The real encoder, counting the texts that it embeds."""

    def __init__(self, encoder):
        self._encoder = encoder
        self.max_tokens = encoder.max_tokens
        self.token_starts = encoder.token_starts
        self.embedded = 0

    def encode(self, texts):
        self.embedded += len([text for text in texts if text != QUERY])
        return self._encoder.encode(texts)


@pytest.fixture
def counting(store):
    store._encoder = CountingEncoder(store.encoder)
    return store._encoder


def test_the_index_mirrors_the_folder(store, settings, tmp_path, counting):
    folder = tmp_path / "notes"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text("## One\nfirst\n## Two\nsecond\n")
    (folder / "sub" / "b.txt").write_text("third\n")
    first = ingest(store, settings, [folder])
    assert (first.added, first.documents, first.chunks, counting.embedded) == (2, 2, 3, 3)

    again = ingest(store, settings, [folder])
    assert (again.added, again.changed, again.unchanged, counting.embedded) == (0, 0, 2, 3)

    (folder / "a.md").write_text("## One\nfirst\n## Two\nchanged\n")
    changed = ingest(store, settings, [folder])
    assert (changed.changed, changed.unchanged, counting.embedded) == (1, 1, 4), "only the changed section is embedded"
    assert texts(store) == ["changed", "first", "third"] == dense(store)

    (folder / "a.md").rename(folder / "moved.md")
    moved = ingest(store, settings, [folder])
    assert (moved.added, moved.removed, counting.embedded) == (1, 1, 4), "a moved file is not embedded again"

    (folder / "moved.md").unlink()
    removed = ingest(store, settings, [folder])
    assert (removed.removed, texts(store), dense(store)) == (1, ["third"], ["third"])


def test_a_touched_file_is_unchanged(store, settings, add, tmp_path):
    add("## H\ntext\n")
    os.utime(tmp_path / "notes" / "note.md", (1, 1))
    assert ingest(store, settings, [tmp_path / "notes"]).unchanged == 1


def test_without_a_path_the_shipped_notes_come_first_then_what_was_ingested(store, settings, tmp_path):
    assert ingest(store, settings, []).documents == len(list(NOTES.glob("*.md")))
    (tmp_path / "mine.md").write_text("## Mine\ntext\n")
    ingest(store, settings, [tmp_path / "mine.md"])
    assert store.roots() == sorted([str(NOTES), str(tmp_path / "mine.md")])
    (tmp_path / "mine.md").unlink()
    assert ingest(store, settings, []).removed == 1
    assert store.roots() == [str(NOTES)]


def test_a_part_of_a_known_folder_is_no_source_of_its_own(store, settings, add, tmp_path):
    add("## A\na\n", "a.md")
    add("## B\nb\n", "b.md")
    (tmp_path / "notes" / "a.md").unlink()
    assert ingest(store, settings, [tmp_path / "notes" / "a.md"]).removed == 1
    assert store.roots() == [str(tmp_path / "notes")]
    ingest(store, settings, [tmp_path])
    assert store.roots() == [str(tmp_path)]


def test_a_folder_on_a_disk_that_is_away_is_kept(store, settings, tmp_path):
    disk = tmp_path / "disk" / "notes"
    disk.mkdir(parents=True)
    (disk / "a.md").write_text("## A\nkept\n")
    ingest(store, settings, [disk])
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    lines = []
    assert ingest(store, settings, [], say=lines.append).removed == 0
    assert texts(store) == ["kept"]
    assert str(disk) in lines[0]


def test_a_broken_file_is_named_and_the_rest_goes_on(store, settings, tmp_path):
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "good.md").write_text("## Good\ntext\n")
    (tmp_path / "n" / "broken.md").write_bytes(b"\0\1\2binary")
    summary = ingest(store, settings, [tmp_path / "n"])
    assert (summary.failed, summary.added) == (1, 1)
    assert "broken.md" in summary.failures[0]


def test_a_file_that_breaks_keeps_what_was_indexed_of_it(store, settings, add, tmp_path):
    add("## Kept\nstill here\n")
    (tmp_path / "notes" / "note.md").write_bytes(b"\0broken")
    assert ingest(store, settings, [tmp_path / "notes"]).failed == 1
    assert texts(store) == ["still here"] == dense(store)


def test_a_path_that_is_not_there_changes_nothing(store, settings, tmp_path):
    with pytest.raises(NotesError, match="no such file or folder"):
        ingest(store, settings, [tmp_path / "nowhere"])


@pytest.mark.parametrize("content", ["## \n", "#\n#\n"])
def test_files_with_next_to_nothing_in_them(add, content):
    assert add(content).documents == 1


@pytest.mark.parametrize(
    ("content", "reason"), [("", "is empty"), ("\n\n", "holds no text"), ("---\ntitle: x\n---\n", "holds no text")]
)
def test_files_with_nothing_in_them_are_named(add, content, reason):
    for summary in (add(content), add(content)):
        assert (summary.documents, summary.skipped) == (0, 1)
        assert summary.notes_left_out()[0].endswith(f"note.md: {reason}")


def test_an_empty_folder_is_no_failure(store, settings, tmp_path):
    (tmp_path / "empty").mkdir()
    assert ingest(store, settings, [tmp_path / "empty"]).documents == 0


def test_another_embedding_model_embeds_everything_again_and_says_so(store, settings, add, models, tmp_path):
    add("## A\ntext\n")
    import dataclasses

    other = dataclasses.replace(settings, embedding_model=str(models / "all-MiniLM-L6-v2"))
    changed = Store(other)
    lines = []
    assert ingest(changed, other, [], say=lines.append).changed == 1
    assert "all-MiniLM-L6-v2" in lines[0]
    assert dense(changed) == ["text"]
    changed.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
def test_killed_at_any_moment_the_next_run_completes_it(settings, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    expected = []
    for n in range(120):
        sections = [f"Note {n} section {s}: " + f"fact {n * s} about topic {n}. " * 5 for s in range(5)]
        expected += [section.strip() for section in sections]
        body = "".join(f"## Heading {n} {s}\n{section}\n\n" for s, section in enumerate(sections))
        (folder / f"{n}.md").write_text(body)
    command = [sys.executable, "-m", "chatbot", "ingest", str(folder), "--home", str(settings.home)]
    kills = 0
    for pause in (2.0, 2.5, 3.0, 3.5):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(pause)
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert kills, "the machine was too quick for this test to mean anything"
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    store = Store(settings)
    assert texts(store) == sorted(expected)
    vectors = store._open_vectors()
    assert vectors.ids() == store._catalogue.vector_ids()
    store.close()


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs signals to a process group")
def test_ctrl_c_keeps_what_is_done(settings, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(300):
        (folder / f"{n:03}.md").write_text(f"## Heading {n}\n" + f"Sentence {n} of this note. " * 20)
    command = [sys.executable, "-m", "chatbot", "ingest", str(folder), "--home", str(settings.home)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    store = Store(settings)
    while store.counts()[0] == 0 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    assert 0 < store.counts()[0] < 300
    store.close()
