"""Read a file's bytes as text."""

import codecs

from ingest.reading import Unreadable

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode(data: bytes) -> str:
    """The text of a file, with `\\n` line ends, in whatever encoding it was saved.

    Raises Unreadable for binary data.
    """
    text = _decode(data)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if b"\0" in data:
        raise Unreadable("holds binary data, not text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_guess_encoding(data), "replace")


def _guess_encoding(data: bytes) -> str:
    import charset_normalizer

    # the start of the file is enough to tell, and keeps the guess quick on a large one
    best = charset_normalizer.from_bytes(data[: 2**18]).best()
    return best.encoding if best else "cp1252"
