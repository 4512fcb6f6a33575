"""The one error that people see."""

import shutil
from pathlib import Path

_LITTLE = 10 * 2**20  # bytes that a disk has left when it counts as full


class NotesError(Exception):
    """A failure told to the user in one line: what is wrong, where, and what to do next.

    The command line prints it and exits 1; the page shows it in place of an answer.
    """


def remedy(path: Path, otherwise: str) -> str:
    """What to do where a part of the index cannot be opened: a full disk is no reason to throw it away."""
    folder = next(folder for folder in path.parents if folder.exists())
    return "make room on the disk and try again" if shutil.disk_usage(folder).free < _LITTLE else otherwise
