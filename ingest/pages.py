"""The pages that were fetched, kept as they came, so that indexing them again needs no network.

Each is a file of its own in `pages/`: a WARC with one response record, which any web archive tool opens.
https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/
"""

import gzip
import hashlib
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from knowledge.errors import NotesError

FINAL_URL = "Askmynotes-Final-URI"
#: Statuses of answers that are the page.
FOUND = frozenset({200, 203})
#: Headers of the transfer, not of the page: the body is kept decoded.
_OF_THE_TRANSFER = frozenset({"content-encoding", "transfer-encoding", "content-length", "connection", "keep-alive"})


@dataclass(frozen=True)
class Page:
    """A page as it was fetched, its body decompressed.

    `url` was asked for, `final_url` is where redirects led; `content_type` is in lower case and without parameters,
    empty where the server tells none; `fetched_at` is UTC, ISO 8601.
    """

    url: str
    final_url: str
    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    charset: str | None = None
    fetched_at: str = ""

    def header(self, name: str) -> str:
        """The first header of this name; empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def etag(self) -> str:
        return self.header("ETag")

    @property
    def last_modified(self) -> str:
        return self.header("Last-Modified")

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


class Pages:
    """The folder of fetched pages, by the key of their address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, key: str) -> Path:
        host = re.sub(r"[^a-z0-9.-]", "_", urlsplit(f"//{key}").netloc.lower())[:60]
        return self._folder / f"{host}-{hashlib.blake2b(key.encode(), digest_size=10).hexdigest()}.warc.gz"

    def save(self, key: str, page: Page) -> None:
        """Keep `page`, in place of an earlier one of the same key. Raises NotesError where the disk is full."""
        from warcio.statusandheaders import StatusAndHeaders
        from warcio.warcwriter import WARCWriter

        path = self._path(key)
        partial = path.with_name(path.name + ".partial")
        headers = [header for header in page.headers if header[0].lower() not in _OF_THE_TRANSFER]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                from io import BytesIO

                writer = WARCWriter(file, gzip=True, warc_version="1.1")
                writer.write_record(
                    writer.create_warc_record(
                        page.url,
                        "response",
                        payload=BytesIO(page.body),
                        http_headers=StatusAndHeaders(
                            f"{page.status} OK", [*headers, ("Content-Length", str(len(page.body)))], "HTTP/1.1"
                        ),
                        warc_headers_dict={"WARC-Date": page.fetched_at, FINAL_URL: page.final_url},
                    )
                )
            os.replace(partial, path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise NotesError(
                f"{self._folder}: cannot be written ({error.strerror}): make room and try again"
            ) from error

    def load(self, key: str) -> Page | None:
        """The page of this key; None where it was never fetched or its file is damaged, be it by a single bit."""
        from ingest.readers.warc import pages_in
        from ingest.reading import Unreadable

        try:
            return next(pages_in(gzip.decompress(self._path(key).read_bytes())), None)
        except (OSError, EOFError, zlib.error, Unreadable):
            return None
