import os

import pytest

from ingest.find import find

MEGABYTE = 2**20


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")


def names(root, found):
    return [path.relative_to(root).as_posix() for path in found.files]


def test_notes_are_found_and_the_rest_is_counted_with_its_reason(tmp_path):
    make(tmp_path, "a.md", "sub/b.TXT", "sub/c.markdown", "picture.png", ".hidden.md", ".obsidian/x.md", ".git/y.md")
    make(
        tmp_path, "node_modules/p/readme.md", "build/out.md", "env/lib/z.md", "env/pyvenv.cfg", "sub/__pycache__/q.txt"
    )
    found = find(tmp_path, MEGABYTE)
    assert names(tmp_path, found) == ["a.md", "sub/b.TXT", "sub/c.markdown"]
    reasons = {path.relative_to(tmp_path).as_posix(): reason for path, reason in found.skipped}
    assert reasons == {
        "picture.png": "of a kind that is not read",
        ".hidden.md": "hidden",
        ".obsidian": "hidden",
        ".git": "hidden",
        "node_modules": "build output",
        "build": "build output",
        "env": "virtual environment",
        "sub/__pycache__": "build output",
    }


def test_a_file_named_by_itself_is_taken_whatever_it_is_called(tmp_path):
    make(tmp_path, ".diary")
    assert find(tmp_path / ".diary", MEGABYTE).files == [tmp_path / ".diary"]


def test_a_folder_below_a_hidden_one_is_taken_when_asked_for(tmp_path):
    make(tmp_path, ".vault/notes/a.md")
    assert len(find(tmp_path / ".vault" / "notes", MEGABYTE).files) == 1


def test_links_do_not_lead_outside_the_folder(tmp_path):
    make(tmp_path, "outside/secret.md", "inside/a.md")
    (tmp_path / "inside" / "link.md").symlink_to(tmp_path / "outside" / "secret.md")
    (tmp_path / "inside" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "inside" / "loop").symlink_to(tmp_path / "inside")
    found = find(tmp_path / "inside", MEGABYTE)
    assert names(tmp_path / "inside", found) == ["a.md"]
    assert len(found.skipped) == 3


def test_a_file_over_the_limit_is_skipped_with_the_setting_that_admits_it(tmp_path):
    (tmp_path / "huge.txt").write_bytes(b"x" * (MEGABYTE + 1))
    found = find(tmp_path, MEGABYTE)
    assert found.files == []
    assert "max_file_mb" in found.skipped[0][1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.md")
    assert find(tmp_path, MEGABYTE).files == []


def test_a_link_in_a_circle_hides_nothing(tmp_path):
    make(tmp_path, "a.md")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "loop.md").symlink_to("loop.md")
    (tmp_path / "gone.md").symlink_to("nothing.md")
    found = find(tmp_path, MEGABYTE)
    assert names(tmp_path, found) == ["a.md"]
    assert {path.name for path, _ in found.skipped} == {"loop", "loop.md", "gone.md"}
    assert not found.closed


def test_a_folder_that_may_not_be_entered_is_named(tmp_path, close):
    make(tmp_path, "a.md", "closed/b.md")
    close(tmp_path / "closed")
    found = find(tmp_path, MEGABYTE)
    assert names(tmp_path, found) == ["a.md"]
    assert found.skipped == [(tmp_path / "closed", "cannot be opened (Permission denied)")]
    assert found.closed == {tmp_path / "closed"}
