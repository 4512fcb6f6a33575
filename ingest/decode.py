"""Read a file's bytes as text."""

import codecs
import re

from ingest.reading import Unreadable

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# what Python makes of a byte that is no UTF-8 where it stands
_BROKEN_BYTE = re.compile("[\udc80-\udcff]")
_NOT_ASCII = re.compile("[^\\x00-\\x7f]")


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
        return _nearly_utf8(data) or data.decode(_guess_encoding(data), "replace")


def _nearly_utf8(data: bytes) -> str | None:
    """UTF-8 into which something else was pasted, or that was cut off in a character: the rest need not suffer.

    None where more is broken than whole.
    """
    text = data.decode("utf-8", "surrogateescape")
    broken = len(_BROKEN_BYTE.findall(text))
    if len(_NOT_ASCII.findall(text)) <= 2 * broken:
        return None
    return _BROKEN_BYTE.sub(lambda byte: bytes([ord(byte[0]) - 0xDC00]).decode("cp1252", "replace"), text)


def _guess_encoding(data: bytes) -> str:
    import charset_normalizer

    # the start of the file is enough to tell, and keeps the guess quick on a large one
    best = charset_normalizer.from_bytes(data[: 2**18]).best()
    return best.encoding if best else "cp1252"
