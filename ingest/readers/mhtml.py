"""MHTML, a web page saved as one file (RFC 2557): the page in it."""

from email import message_from_bytes

from ingest.reading import Reading, Unreadable

_PAGE_TYPES = ("text/html", "application/xhtml+xml")


def read_mhtml(data: bytes) -> Reading:
    """The article of a saved page, with the address that it was saved from. Raises Unreadable."""
    from ingest.readers.web import read_html

    message = message_from_bytes(data.lstrip())
    part = next((part for part in message.walk() if part.get_content_type() in _PAGE_TYPES), None)
    body = part.get_payload(decode=True) if part else None
    if part is None or not isinstance(body, bytes) or not body.strip():
        raise Unreadable("holds no saved page")
    url = message.get("Snapshot-Content-Location") or part.get("Content-Location") or ""
    url = url.strip() if url.strip().startswith(("http://", "https://")) else ""
    return read_html(body, url, part.get_content_charset())
