"""Web archives (WARC): the pages in them. What a page says is for `ingest.read`."""

from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING

from ingest.pages import FINAL_URL, FOUND, Page
from ingest.reading import Unreadable

if TYPE_CHECKING:
    from warcio.recordloader import ArcWarcRecord

#: A larger page is passed over, in bytes.
_LARGEST_PAGE = 64 * 2**20
_NEVER_TEXT = ("image/", "video/", "audio/", "font/", "text/css", "text/javascript", "application/javascript")


def pages_in(data: bytes) -> Iterator[Page]:
    """The pages of a web archive that were found and may hold text, in their order.

    Raises Unreadable for what is no web archive. One that is cut short gives the pages before the cut.
    """
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    read_any = False
    try:
        for record in ArchiveIterator(BytesIO(data)):
            read_any = True
            if record.rec_type in ("response", "resource") and (page := _page(record)):
                yield page
    except (ArchiveLoadFailed, ValueError, EOFError, OSError, KeyError, IndexError, AttributeError) as error:
        if not read_any:
            raise Unreadable(f"is not a readable web archive ({error})") from error


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
