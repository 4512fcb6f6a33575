"""Zip files of notes: which of their members are read. Nothing is unpacked to disk."""

import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from ingest.readers.zipped import open_zip
from ingest.reading import Unreadable

#: A larger member is passed over, in bytes.
_LARGEST_MEMBER = 64 * 2**20


def notes_in(data: bytes, readable: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Name and content of each member that `readable` accepts by its name. Raises Unreadable.

    Left out are hidden members, links, and names that point outside the archive.
    """
    with open_zip(data) as archive:
        for member in archive.infolist():
            if _is_note(member) and readable(member.filename):
                try:
                    yield member.filename, archive.read(member)
                except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
                    raise Unreadable(f"is a damaged archive ({error})") from error
                except (RuntimeError, NotImplementedError) as error:
                    raise Unreadable("is locked with a password, or packed in a way that is not known") from error


def _is_note(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or ":" in path.parts[0] if path.parts else True
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    link = stat.S_ISLNK(member.external_attr >> 16)
    return not (member.is_dir() or outside or hidden or link or member.file_size > _LARGEST_MEMBER)
