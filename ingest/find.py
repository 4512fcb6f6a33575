"""Find the notes in a folder and say what was left out."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown", ".mdown", ".mkd"})
NOTE_SUFFIXES = MARKDOWN_SUFFIXES | {".txt", ".text"}

_ODD_NAME = "its name is not valid Unicode"
_BUILD_OUTPUT = frozenset(
    {"node_modules", "bower_components", "__pycache__", "site-packages", "build", "dist", "target", "_build", "_site"}
)


@dataclass
class Found:
    """Files to read, and what was passed over with the reason (a folder counts once)."""

    files: list[Path] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)


def find(root: Path, max_bytes: int) -> Found:
    """The notes at or below `root`, sorted by path. A file named by itself is taken whatever its suffix."""
    found = Found()
    if root.is_file():
        _take(root, max_bytes, found)
        return found
    for folder, reason in _folders(root, found.skipped):
        if reason:
            found.skipped.append((folder, reason))
            continue
        for path in sorted(Path(entry.path) for entry in os.scandir(folder) if not entry.is_dir()):
            if reason := _reason_to_skip_file(path, root):
                found.skipped.append((path, reason))
            else:
                _take(path, max_bytes, found)
    return found


def _take(path: Path, max_bytes: int, found: Found) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        found.skipped.append((path, f"cannot be read ({error.strerror})"))
        return
    if size > max_bytes:
        reason = f"larger than {max_bytes // 2**20} MB (raise max_file_mb in config.toml to read it)"
        found.skipped.append((path, reason))
    else:
        found.files.append(path)


def _folders(root: Path, skipped: list[tuple[Path, str]]) -> Iterator[tuple[Path, str | None]]:
    """`root` and the folders below it that may hold notes; those that may not, with the reason, not entered."""

    def unreadable(error: OSError) -> None:
        skipped.append((Path(error.filename), "cannot be opened"))

    for name, subfolders, _ in os.walk(root, onerror=unreadable):
        folder = Path(name)
        yield folder, None
        kept = []
        for subfolder in sorted(subfolders):
            reason = _reason_to_skip_folder(folder / subfolder)
            if reason:
                yield folder / subfolder, reason
            else:
                kept.append(subfolder)
        subfolders[:] = kept


def _has_odd_name(path: Path) -> bool:
    """Whether a name is not valid Unicode, so that the catalogue could not hold it."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        return True
    return False


def _reason_to_skip_folder(path: Path) -> str | None:
    if _has_odd_name(path):
        return _ODD_NAME
    if path.name.startswith("."):
        return "hidden"
    if path.is_symlink():
        return "link to another folder"
    if path.name in _BUILD_OUTPUT:
        return "build output"
    if (path / "pyvenv.cfg").exists():
        return "virtual environment"
    return None


def _reason_to_skip_file(path: Path, root: Path) -> str | None:
    if _has_odd_name(path):
        return _ODD_NAME
    if path.name.startswith("."):
        return "hidden"
    if path.suffix.lower() not in NOTE_SUFFIXES:
        return "not Markdown or plain text"
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        return "link to a file outside the folder"
    if not path.is_file():
        return "not a regular file"
    return None
