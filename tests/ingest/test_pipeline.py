import dataclasses
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from ingest.pipeline import ingest, remove, restore
from knowledge.errors import NotesError
from knowledge.settings import DEFAULT_EMBEDDING_MODEL
from knowledge.store import Store
from tests.conftest import NOTES, ROOT

QUERY = "anything"


def texts(store):
    return sorted(chunk.text for listed in store.documents() for chunk in store.get(listed.document.source))


def dense(store):
    """Every chunk reachable through the vectors."""
    return sorted(hit.chunk.text for hit in store.rank_dense(QUERY))


class CountingEncoder:
    """The real encoder, counting the passages that it embeds."""

    def __init__(self, encoder):
        self._encoder = encoder
        self.max_tokens = encoder.max_tokens
        self.encode = encoder.encode
        self.token_starts = encoder.token_starts
        self.embedded = 0

    def encode_with_tokens(self, texts):
        self.embedded += len(texts)
        return self._encoder.encode_with_tokens(texts)


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


def test_files_that_change_places_keep_their_vectors(store, settings, add, tmp_path, counting):
    for name in "abc":
        add(f"## {name}\ntext of {name}\n", f"{name}.md")
    folder = tmp_path / "notes"
    for old, new in (("c", "spare"), ("b", "c"), ("a", "b"), ("spare", "a")):
        (folder / f"{old}.md").rename(folder / f"{new}.md")
    assert ingest(store, settings, [folder]).changed == 3
    assert texts(store) == ["text of a", "text of b", "text of c"] == dense(store)
    assert counting.embedded == 3


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


def test_what_stands_in_a_folder_that_is_closed_is_kept(store, settings, tmp_path, close, monkeypatch):
    folder = tmp_path / "notes"
    (folder / "private").mkdir(parents=True)
    (folder / "a.md").write_text("## A\nseen\n")
    (folder / "private" / "b.md").write_text("## B\nkept\n")
    ingest(store, settings, [folder])
    ingest(store, settings, [folder / "private"])
    close(folder / "private")
    assert ingest(store, settings, [folder]).removed == 0
    assert texts(store) == ["kept", "seen"]
    with pytest.raises(NotesError, match=r"b.md: cannot be opened \(Permission denied\)"):
        ingest(store, settings, [folder / "private" / "b.md"])
    monkeypatch.undo()
    (folder / "private" / "b.md").unlink()
    assert ingest(store, settings, [folder]).removed == 1


def test_a_home_folder_among_the_notes_is_none_of_them(store, settings, tmp_path, monkeypatch):
    (tmp_path / "a.md").write_text("## A\nmine\n")
    settings.dropped.mkdir(parents=True)
    (settings.dropped / "b.md").write_text("## B\ndropped\n")
    (settings.home / "readme.md").write_text("## Model\nnot mine\n")
    with monkeypatch.context() as before:  # as earlier versions did
        before.setattr("ingest.find._OWN_FOLDER", "")
        ingest(store, settings, [tmp_path])
    assert texts(store) == ["dropped", "mine", "not mine"]
    ingest(store, settings, [settings.dropped])
    ingest(store, settings, [tmp_path])
    assert texts(store) == ["dropped", "mine"]
    assert store.roots() == sorted(map(str, (tmp_path, settings.dropped)))
    (settings.dropped / "b.md").unlink()
    assert ingest(store, settings, []).removed == 1
    assert texts(store) == ["mine"]


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


def test_a_disk_that_was_ingested_whole_is_kept_until_it_is_named(store, settings, tmp_path):
    disk = tmp_path / "STICK"
    disk.mkdir()
    (disk / "a.md").write_text("## A\nkept\n")
    ingest(store, settings, [disk])
    disk.rename(tmp_path / "unplugged")
    lines = []
    assert ingest(store, settings, [], say=lines.append).removed == 0
    assert (texts(store), store.roots()) == (["kept"], [str(disk)])
    assert str(disk) in lines[0]
    assert ingest(store, settings, [disk]).removed == 1
    assert (texts(store), store.roots()) == ([], [])


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
    ("content", "reason"), [("", "is empty"), ("\n\n", "holds no text"), ("---\ntags: x\n---\n", "holds no text")]
)
def test_files_with_nothing_in_them_are_named(add, content, reason):
    for summary in (add(content), add(content)):
        assert (summary.documents, summary.skipped) == (0, 1)
        assert summary.notes_left_out()[0].endswith(f"note.md: {reason}")


def test_a_bookmark_without_words_is_found_by_its_title(store, add):
    url = "https://a.example/pears"
    assert add(f"---\ntitle: Growing pears\nurl: {url}\n---\n").documents == 1
    [hit] = store.search("pears", 1)
    assert (hit.chunk.text, [link.url for link in hit.chunk.links]) == ("Growing pears", [url])


def test_an_empty_folder_is_no_failure(store, settings, tmp_path):
    (tmp_path / "empty").mkdir()
    assert ingest(store, settings, [tmp_path / "empty"]).documents == 0


def test_a_folder_that_held_nothing_is_forgotten_when_it_is_gone(store, settings, tmp_path):
    (tmp_path / "empty").mkdir()
    ingest(store, settings, [tmp_path / "empty"])
    (tmp_path / "empty").rmdir()
    lines = []
    ingest(store, settings, [], say=lines.append)
    assert (lines, store.roots()) == ([], [])


def test_another_embedding_model_makes_a_new_index_and_says_so(store, settings, add, models, tmp_path):
    add("## A\ntext\n")
    other = dataclasses.replace(settings, embedding_model=str(models / DEFAULT_EMBEDDING_MODEL))
    changed = Store(other)
    lines = []
    assert ingest(changed, other, [], say=lines.append).changed == 1
    assert DEFAULT_EMBEDDING_MODEL in lines[0]
    assert dense(changed) == ["text"]
    assert store.search("text", 1)[0].chunk.text == "text", "a store that was open all the while"
    assert [path.name for path in (settings.home / "chroma").iterdir()] == ["2"]
    changed.close()


def test_an_index_whose_model_is_gone_says_how_to_make_a_new_one(settings, add, models, tmp_path):
    moved = tmp_path / "moved"
    moved.symlink_to(models / DEFAULT_EMBEDDING_MODEL)
    other = dataclasses.replace(settings, embedding_model=str(moved))
    with closing(Store(other)) as first:
        (tmp_path / "a.md").write_text("## A\ntext\n")
        ingest(first, other, [tmp_path / "a.md"])
    moved.unlink()
    with closing(Store(settings)) as later:
        with pytest.raises(NotesError, match="the index was made with .*moved.*`askmynotes ingest`"):
            later.search("text", 1)
        ingest(later, settings, [])
        assert later.search("text", 1)


def test_the_old_index_answers_until_the_new_one_is_complete(store, settings, add, monkeypatch):
    for n in range(3):
        add(f"## Old {n}\ntext {n}\n", f"{n}.md")
    monkeypatch.setattr("ingest.pipeline.CHUNKING", "another")
    monkeypatch.setattr("ingest.writer._BATCH", 1)
    seen = []

    def stop_half_way(stage, total, done, name):
        seen.append(texts(store))
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(store, settings, [], stop_half_way)
    assert seen == [["text 0", "text 1", "text 2"]] * 2
    assert len(store.search("text", 5)) == 3
    again = ingest(store, settings, [])
    assert (again.unchanged, again.changed) == (2, 1), "what was done is not done again"
    assert texts(store) == ["text 0", "text 1", "text 2"] == dense(store)
    assert store.made_with.endswith("another")


@pytest.mark.parametrize("model", ["", DEFAULT_EMBEDDING_MODEL])
def test_a_new_index_keeps_what_cannot_be_read_now(store, settings, add, models, tmp_path, monkeypatch, model):
    disk = tmp_path / "disk" / "notes"
    disk.mkdir(parents=True)
    (disk / "a.md").write_text("## Away\nsee https://example.org/\n")
    ingest(store, settings, [disk])
    add("## Broken\nbefore it broke\n", "broken.md")
    add("## Gone\nno longer\n", "gone.md")
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    (tmp_path / "notes" / "broken.md").write_bytes(b"\0broken")
    (tmp_path / "notes" / "gone.md").unlink()
    if model:
        settings = dataclasses.replace(settings, embedding_model=str(models / model))
    monkeypatch.setattr("ingest.pipeline.CHUNKING", "another")
    renewed = Store(settings)
    lines = []
    assert ingest(renewed, settings, [], say=lines.append).failed == 1
    assert len([line for line in lines if line.startswith(str(disk))]) == 1
    assert texts(renewed) == ["before it broke", "see https://example.org/"] == dense(renewed)
    assert [reference.line for reference in renewed.references()] == [2]
    (tmp_path / "unplugged").rename(tmp_path / "disk")
    assert ingest(renewed, settings, []).changed == 1, "it is read again as soon as it can be"
    renewed.close()


def test_another_way_of_splitting_embeds_only_what_has_changed(store, settings, add, monkeypatch):
    add("## One\nfirst\n## Two\nsecond\n")
    embedded = []
    whole = Store.embed
    monkeypatch.setattr(Store, "embed", lambda self, chunks: (embedded.extend(chunks), whole(self, chunks)))
    monkeypatch.setattr("ingest.pipeline.CHUNKING", "another")
    assert ingest(store, settings, []).changed == 1
    assert (texts(store), embedded) == (["first", "second"], [])


def test_a_source_is_taken_out_and_stays_out_until_it_is_asked_for(store, settings, add, tmp_path):
    add("## A\nfirst\n", "a.md")
    add("## B\nsecond\n", "sub/b.md")
    assert remove(store, str(tmp_path / "notes" / "sub")).documents == 1
    assert texts(store) == ["first"] == dense(store)
    assert ingest(store, settings, []).added == 0
    assert any("taken out" in reason for _, reason in store.left_out())
    ingest(store, settings, [tmp_path / "notes" / "sub"])
    assert texts(store) == ["first", "second"]
    assert remove(store, str(tmp_path / "notes")).documents == 2
    assert (texts(store), store.roots()) == ([], [])
    with pytest.raises(NotesError, match="is not in the index"):
        remove(store, str(tmp_path / "elsewhere"))


@pytest.mark.parametrize("taken_out", ["", "sub", "sub/b.md", "more.zip", "more.zip/c.md"])
def test_what_was_taken_out_is_brought_back(store, settings, add, tmp_path, taken_out):
    folder = tmp_path / "notes"
    add("## A\nfirst\n", "a.md")
    add("## B\nsecond\n", "sub/b.md")
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("c.md", "## C\nthird\n")
        archive.writestr("d.md", "## D\nfourth\n")
    ingest(store, settings, [folder])
    before = (sorted(texts(store)), store.roots(), store.excluded())
    removed = remove(store, str(folder / taken_out))
    assert len(texts(store)) == 4 - removed.documents < 4
    restore(store, settings, removed)
    assert (sorted(texts(store)), store.roots(), store.excluded()) == before
    assert len(dense(store)) == 4


def test_a_file_asked_for_by_name_stays_though_its_folder_was_taken_out(store, settings, add, tmp_path):
    add("## A\nfirst\n", "a.md")
    add("## B\nsecond\n", "sub/b.md")
    add("## C\nthird\n", "sub/c.md")
    remove(store, str(tmp_path / "notes" / "sub"))
    ingest(store, settings, [tmp_path / "notes" / "sub" / "b.md"])
    assert texts(store) == ["first", "second"]
    assert ingest(store, settings, []).removed == 0
    assert texts(store) == ["first", "second"]


def test_taking_out_an_address_leaves_those_that_begin_with_it(store):
    for address in ("https://example.org", "https://example.org/page"):
        store.add_root(address)
    remove(store, "https://example.org")
    assert store.roots() == ["https://example.org/page"]


@pytest.mark.skipif(not shutil.which("tesseract"), reason="Tesseract is not installed")
def test_scanned_pages_are_read_once_tesseract_is_there(store, settings, tmp_path, monkeypatch):
    shutil.copy(ROOT / "tests" / "files" / "scan.pdf", tmp_path)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(tmp_path))
    [line] = ingest(store, settings, [tmp_path / "scan.pdf"]).partly
    assert line.endswith("page 2 holds no text: install Tesseract to read scanned pages")
    assert ingest(store, settings, []).unchanged == 1
    monkeypatch.setenv("PATH", path)
    assert ingest(store, settings, []).changed == 1
    assert "In May the hives were opened 6 times." in "".join(texts(store))
    assert ingest(store, settings, []).unchanged == 1


@pytest.mark.parametrize("seconds", [0, 10])
def test_an_edit_that_keeps_size_and_time_is_seen(store, settings, add, tmp_path, monkeypatch, seconds):
    now = time.time_ns()
    monkeypatch.setattr("time.time_ns", lambda: now + seconds * 10**9)
    add("## A\nfirst\n")
    path = tmp_path / "notes" / "note.md"
    before = path.stat()
    path.write_text("## A\nFIRST\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ingest(store, settings, []).changed == 1
    assert texts(store) == ["FIRST"]


def test_notes_are_called_as_the_programs_call_them_that_exported_them(store, settings, tmp_path):
    for name in ("Pears.textbundle/text.md", "Notion Export/Plums 0123456789abcdef0123456789abcdef.md"):
        (tmp_path / "n" / name).parent.mkdir(parents=True)
        (tmp_path / "n" / name).write_text("They ripen in autumn.\n")
    ingest(store, settings, [tmp_path / "n"])
    assert sorted(listed.document.title for listed in store.documents()) == ["Pears", "Plums"]


def test_a_zip_of_notes_is_read_in_place(store, settings, tmp_path):
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("Export/One 0123456789abcdef0123456789abcdef.md", "first note\n")
        archive.writestr("Export/table.csv", "name,age\nAda,36\n")
        archive.writestr("__MACOSX/._One.md", "## Resource fork\n")
        archive.writestr("Export/.obsidian/x.md", "## Hidden\n")
        archive.writestr("broken.md", b"\0\1")
        link = zipfile.ZipInfo("link.md")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    summary = ingest(store, settings, [tmp_path / "notes.zip"])
    assert (summary.added, summary.documents) == (1, 2)
    assert "broken.md: holds binary data" in summary.partly[0]
    hit = store.search("first note", 1)[0]
    assert hit.chunk.title == "One"
    assert hit.chunk.source.startswith(f"{tmp_path}/notes.zip/Export/One")
    assert ingest(store, settings, []).unchanged == 1
    (tmp_path / "notes.zip").unlink()
    assert ingest(store, settings, []).removed == 1
    assert store.counts() == (0, 0)


def test_a_zip_in_a_zip_is_read_and_no_deeper(store, settings, tmp_path):
    """As Notion exports a workspace."""

    def zipped(**members):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            for name, content in members.items():
                archive.writestr(name.replace("_", "."), content)
        return data.getvalue()

    deepest = zipped(deep_md="## Deep\n")
    part = zipped(note_md="## Part\nexported note\n", again_zip=deepest)
    (tmp_path / "export.zip").write_bytes(zipped(part_zip=part))
    [line] = ingest(store, settings, [tmp_path / "export.zip"]).partly
    assert "archive in an archive" in line
    [listed] = store.documents()
    assert listed.document.source == f"{tmp_path}/export.zip/part.zip/note.md"
    assert texts(store) == ["exported note"]


def test_a_full_disk_is_told_and_loses_nothing(settings, tmp_path):
    folder = tmp_path / "n"
    folder.mkdir()
    (folder / "first.md").write_text("## First\nkept\n")
    command = [sys.executable, "-m", "chatbot", "ingest", str(folder), "--home", str(settings.home)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for n in range(60):
        sections = "".join(f"## Heading {n} {s}\nfact {n * s} of many. " + "padding " * 40 + "\n" for s in range(10))
        (folder / f"{n}.md").write_text(sections)
    # no file may grow beyond half a megabyte: as near to a full disk as a test can come without one
    limited = f"ulimit -f 512; exec {shlex.join(command)}"
    full = subprocess.run(["bash", "-c", limited], cwd=ROOT, capture_output=True, text=True)
    assert full.returncode == 1
    assert "Traceback" not in full.stderr
    assert len(full.stderr.strip().splitlines()) <= 2
    store = Store(settings)
    assert store.search("kept", 1)[0].chunk.text == "kept"
    store.close()
    done = json.loads(subprocess.run([*command, "--json"], cwd=ROOT, check=True, capture_output=True).stdout)
    assert (done["documents"], done["failed"]) == (61, 0)
    store = Store(settings)
    assert len(dense(store)) > 40
    assert store._open_vectors().ids() == store._catalogue.vector_ids()
    store.close()


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
    store = Store(settings)
    for _ in range(2):
        before = store.counts()[0]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while store.counts()[0] == before and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert before < store.counts()[0] < 120, "it was killed in the middle"
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
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
