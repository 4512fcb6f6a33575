import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import watchfiles

from ingest.pipeline import Linked, ingest
from ingest.watch import _ticks, watch
from knowledge.store import Store
from tests.conftest import ROOT


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_changes_are_followed_until_ctrl_c(settings, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("## One\nfirst\n")
    command = [
        sys.executable,
        "-m",
        "chatbot",
        "ingest",
        str(folder),
        "--watch",
        "--json",
        "--home",
        str(settings.home),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    store = Store(settings)

    def texts():
        return sorted(chunk.text for listed in store.documents() for chunk in store.get(listed.document.source))

    try:
        assert wait_for(lambda: texts() == ["first"])
        (folder / "b.md").write_text("## Two\nsecond\n")
        assert wait_for(lambda: texts() == ["first", "second"]), "a new file"
        before = (folder / "a.md").stat()
        with (folder / "a.md").open("r+") as file:
            file.write("## One\nFIRST\n")
        os.utime(folder / "a.md", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        assert wait_for(lambda: texts() == ["FIRST", "second"]), "an edit in place, of the same length"
        (folder / "b.tmp").write_text("## Two\nreplaced\n")
        os.replace(folder / "b.tmp", folder / "b.md")
        assert wait_for(lambda: texts() == ["FIRST", "replaced"]), "a new file in the place of the old one"
        (folder / "a.md").rename(folder / "sub.md")
        (folder / "b.md").unlink()
        assert wait_for(lambda: texts() == ["FIRST"]), "a renamed and a deleted file"
        shutil.rmtree(folder)
        assert wait_for(lambda: texts() == []), "the folder itself"
        folder.mkdir()
        (folder / "c.md").write_text("## Three\nthird\n")
        assert wait_for(lambda: texts() == ["third"]), "another folder in its place"
    finally:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert output.count('"added"') >= 4
    store.close()


def test_what_changed_before_anybody_watched_is_looked_for(tmp_path):
    ticks = _ticks([tmp_path], tmp_path / "home")
    assert [next(ticks), next(ticks)] == [True, False]
    (tmp_path / "a.md").write_text("text")
    assert next(ticks)
    ticks.close()


def test_a_watched_file_does_not_take_its_folder_with_it(tmp_path, monkeypatch):
    (tmp_path / "vault").mkdir()
    (tmp_path / "todo.md").write_text("text")
    watched = []
    whole = watchfiles.watch
    monkeypatch.setattr(watchfiles, "watch", lambda *paths, **how: watched.extend(paths) or whole(*paths, **how))
    for roots in ([tmp_path / "todo.md"], [tmp_path / "vault", tmp_path / "todo.md"]):
        ticks = _ticks(roots, tmp_path / "home")
        assert [next(ticks), next(ticks)] == [True, False]
        (tmp_path / "new").write_text("other text")
        os.replace(tmp_path / "new", tmp_path / "todo.md")
        assert next(ticks) or next(ticks)
        (tmp_path / "todo.md").write_text("text")
        assert next(ticks) or next(ticks)
        ticks.close()
    assert watched == [tmp_path / "vault"]


@pytest.mark.parametrize("place_stays", [True, False])
def test_a_disk_that_is_taken_away_keeps_its_notes(store, settings, add, tmp_path, monkeypatch, place_stays):
    disk = tmp_path / "STICK"
    disk.mkdir()
    (disk / "a.md").write_text("## A\nkept\n")
    ingest(store, settings, [disk])
    add("## B\nat home\n")
    monkeypatch.setattr("os.path.ismount", lambda path: Path(path) == disk and (disk / "a.md").exists())

    def ticks(roots, home):
        yield True
        disk.rename(tmp_path / "unplugged")
        if place_stays:
            disk.mkdir()
        yield True
        yield True

    monkeypatch.setattr("ingest.watch._ticks", ticks)
    watch(store, settings, [], Linked(), print, print)
    assert store.counts()[0] == 2
