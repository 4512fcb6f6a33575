"""Zip archives and the XML in them, opened with care: either may be made to fill the memory of whoever unpacks it."""

import stat
import zipfile
import zlib
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ingest.reading import Unreadable

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

_MOST_MEMBERS = 20_000
_MOST_BYTES = 10**9  # of all members together
_LARGE = 50 * 2**20  # a member beyond this must not be
_HIGHEST_RATIO = 200  # times as large as it is packed
_LARGEST_PART = 100 * 2**20  # of a document; takes several times as much memory when parsed

_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what documents are packed with
# what zipfile raises for archives that lie about themselves
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError, RuntimeError)


def open_zip(data: bytes) -> zipfile.ZipFile:
    """The archive in `data`. Raises Unreadable for a damaged one, and for one that unpacks to too much.

    No member yields more than it declares: zipfile stops there.
    """
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except _DAMAGED:
        raise Unreadable("is damaged or cut off: not a readable zip archive") from None
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise Unreadable(f"holds {len(members):,} files, more than {_MOST_MEMBERS:,}: not read")
    total = sum(member.file_size for member in members)
    bombs = (m for m in members if m.file_size > _LARGE and m.file_size > _HIGHEST_RATIO * m.compress_size)
    if total > _MOST_BYTES or any(bombs):
        raise Unreadable(f"unpacks to {total / 10**6:,.0f} MB: not read")
    return archive


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a part of a document. Raises KeyError where there is none, Unreadable where it is damaged, locked or
    too large."""
    member = archive.getinfo(name)
    if member.flag_bits & 1:
        raise Unreadable("is locked with a password")
    if member.file_size > _LARGEST_PART:
        raise Unreadable(f"holds a part of more than {_LARGEST_PART // 2**20} MB: not read")
    try:
        if member.compress_type not in _PACKED:
            raise zipfile.BadZipFile
        return archive.read(member)
    except _DAMAGED:
        raise Unreadable("is damaged: a part of it cannot be unpacked") from None


def names_of_files(archive: zipfile.ZipFile) -> list[str]:
    """The members that a person put there: no hidden ones, no links, no names that point outside the archive."""
    return list(dict.fromkeys(member.filename for member in archive.infolist() if _is_own(member)))


def _is_own(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    outside = not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not (member.is_dir() or outside or hidden or stat.S_ISLNK(member.external_attr >> 16))


def read_xml(archive: zipfile.ZipFile, name: str) -> "Element":
    """The root of an XML member. Entities are neither expanded nor fetched. Raises as `read_member` does."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        return etree.fromstring(read_member(archive, name), parser)
    except etree.XMLSyntaxError:
        raise Unreadable("is damaged: a part of it is not well-formed") from None
