"""Find the notes in a folder and say what was left out."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingest.read import format_of

TAKEN_OUT = "taken out by hand: add it by its own name to have it back"
_OWN_FOLDER = "the home folder of askmynotes"
_ODD_NAME = "its name is not valid Unicode"
_BUILD_OUTPUT = frozenset(
    {"node_modules", "bower_components", "__pycache__", "site-packages", "build", "dist", "target", "_build", "_site"}
)


@dataclass
class Found:
    """Files to read, and what was passed over with the reason (a folder counts once).

    `closed` are the files and folders that are there and cannot be looked into now.
    """

    files: list[Path] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    closed: set[Path] = field(default_factory=set)

    def refuse(self, path: Path, what: str, error: OSError) -> None:
        """Pass over what the system does not let us read; `what` cannot be done with it."""
        self.skipped.append((path, f"cannot be {what} ({error.strerror})"))
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            self.closed.add(path)


def find(root: Path, max_bytes: int, excluded: frozenset[Path] = frozenset(), home: Path | None = None) -> Found:
    """The notes at or below `root`, sorted by path. A file named by itself is taken whatever its suffix.

    What is `excluded` was taken out by hand and stays out; so does `home`, where the index itself is kept.
    """
    found = Found()
    if root.is_file():
        _take(root, max_bytes, found)
        return found
    for folder in _folders(root, excluded, home, found):
        for path in _files(folder, found):
            if path in excluded:
                found.skipped.append((path, TAKEN_OUT))
            elif reason := _reason_to_skip_file(path, root):
                found.skipped.append((path, reason))
            else:
                _take(path, max_bytes, found)
    return found


def _files(folder: Path, found: Found) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder) if not os.path.isdir(entry.path))
    except OSError as error:  # gone since it was listed
        found.refuse(folder, "opened", error)
        return []


def _take(path: Path, max_bytes: int, found: Found) -> None:
    try:
        status = path.stat()
    except OSError as error:
        found.refuse(path, "read", error)
        return
    if not stat.S_ISREG(status.st_mode):
        found.skipped.append((path, "not a regular file"))
    elif status.st_size > max_bytes:
        reason = f"larger than {max_bytes // 2**20} MB (raise max_file_mb in config.toml to read it)"
        found.skipped.append((path, reason))
    else:
        found.files.append(path)


def _folders(root: Path, excluded: frozenset[Path], home: Path | None, found: Found) -> Iterator[Path]:
    """`root` and the folders below it that may hold notes; those that may not are passed over and not entered."""

    def refuse(error: OSError) -> None:
        found.refuse(Path(error.filename), "opened", error)

    for name, subfolders, _ in os.walk(root, onerror=refuse):
        folder = Path(name)
        yield folder
        kept = []
        for subfolder in sorted(subfolders):
            path = folder / subfolder
            own = _OWN_FOLDER if path == home else None
            reason = TAKEN_OUT if path in excluded else own or _reason_to_skip_folder(path)
            if reason:
                found.skipped.append((path, reason))
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


def _belongs_to_page(folder: Path) -> bool:
    """Whether a browser made this folder beside a page that it saved: its pictures, scripts and frames."""
    name, mark, kind = folder.name.rpartition("_")
    return (
        bool(mark)
        and kind in ("files", "Dateien", "fichiers", "archivos", "file", "bestanden")
        and any(os.path.exists(folder.with_name(name + suffix)) for suffix in (".html", ".htm"))
    )


def _reason_to_skip_folder(path: Path) -> str | None:
    if _has_odd_name(path):
        return _ODD_NAME
    if path.name.startswith("."):
        return "hidden"
    if os.path.islink(path):
        return "link to another folder"
    if path.name in _BUILD_OUTPUT:
        return "build output"
    if os.path.exists(path / "pyvenv.cfg"):
        return "virtual environment"
    if _belongs_to_page(path):
        return "parts of a saved page"
    return None


def _reason_to_skip_file(path: Path, root: Path) -> str | None:
    if _has_odd_name(path):
        return _ODD_NAME
    if path.name.startswith("."):
        return "hidden"
    if format_of(path.name) is None:
        return "of a kind that is not read"
    if os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        return "link to a file outside the folder"
    return None
