"""Web archives (WARC): the pages in them. What a page says is for `ingest.read`."""

import zlib
from collections.abc import Iterator
from gzip import GzipFile
from io import BytesIO
from typing import TYPE_CHECKING

from ingest.pages import FINAL_URL, FOUND, Page
from ingest.reading import Unreadable

if TYPE_CHECKING:
    from warcio.recordloader import ArcWarcRecord

#: A larger page is passed over, in bytes.
_LARGEST_PAGE = 64 * 2**20
_NEVER_TEXT = ("image/", "video/", "audio/", "font/", "text/css", "text/javascript", "application/javascript")
_END_OF_RECORD = b"\r\n\r\n"


class _Unpacked:
    """The bytes of a web archive, packed or not, as far as they can be unpacked."""

    def __init__(self, data: bytes) -> None:
        file = BytesIO(data)
        self._file = GzipFile(fileobj=file) if data.startswith(b"\x1f\x8b") else file
        self.is_damaged = False
        self.size = 0  # of what was read so far

    def read(self, size: int) -> bytes:
        try:
            data = self._file.read1(size)  # unlike read, it keeps what comes before the damage
        except (EOFError, OSError, zlib.error):
            self.is_damaged = True
            return b""
        self.size += len(data)
        return data


def pages_in(data: bytes) -> Iterator[Page]:
    """The pages of a web archive that were found and may hold text, in their order.

    Raises Unreadable for what is no web archive, and behind the last whole page of one that is damaged or cut off.
    """
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    unpacked = _Unpacked(data)
    archive = ArchiveIterator(unpacked)
    end = 0  # of the last whole record
    try:
        for record in archive:
            page = _page(record) if record.rec_type in ("response", "resource") else None
            if _is_whole(record):
                end = unpacked.size - archive.reader.rem_length()
                if page:
                    yield page
    except (ArchiveLoadFailed, ValueError, EOFError, OSError, KeyError, IndexError, AttributeError):
        unpacked.is_damaged = True
    if unpacked.is_damaged or unpacked.size - end > len(_END_OF_RECORD):
        raise Unreadable("is damaged or cut off: not a readable web archive")


def _is_whole(record: "ArcWarcRecord") -> bool:
    """Whether the record holds as many bytes as it says; what was not yet read of it is passed over."""
    while record.raw_stream.read(2**16):
        pass
    return getattr(record.raw_stream, "limit", None) == 0


def _page(record: "ArcWarcRecord") -> Page | None:
    url = record.rec_headers.get_header("WARC-Target-URI") or ""
    http = record.http_headers
    status = int(http.get_statuscode()) if http and http.get_statuscode().isdigit() else 200
    declared = (http or record.rec_headers).get_header("Content-Type") or ""
    content_type, _, parameters = declared.partition(";")
    content_type = content_type.strip().lower()
    if status not in FOUND or not url.startswith(("http://", "https://")) or content_type.startswith(_NEVER_TEXT):
        return None
    body = record.content_stream().read(_LARGEST_PAGE + 1)
    if not body or len(body) > _LARGEST_PAGE:
        return None
    return Page(
        url=url,
        final_url=record.rec_headers.get_header(FINAL_URL) or url,
        body=body,
        status=status,
        headers=tuple(http.headers) if http else (),
        content_type=content_type,
        charset=_charset(parameters),
        fetched_at=record.rec_headers.get_header("WARC-Date") or "",
    )


def _charset(parameters: str) -> str | None:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip(" \"'") or None
    return None
