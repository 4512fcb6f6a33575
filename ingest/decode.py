"""Read a file's bytes as text."""

import codecs
import re
from collections import Counter
from collections.abc import Iterator

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
_NOT_ASCII_BYTE = re.compile(rb"[^\x00-\x7f]")
# as every word has in another script than the Latin one
_SIDE_BY_SIDE = re.compile(rb"[^\x00-\x7f]{2}")
# anything but what English text of Windows has beside ASCII: quotes, dashes, € and the like
_MORE_THAN_MARKS = re.compile(rb"[^\x00-\x7f\x80\x85\x91-\x97\xa3\xa7\xa9\xb0]")
# The letters that the languages written in an encoding have beside ASCII, a language a string. The same byte is è in
# French and č in Czech, but no text has the letters of both. Of two that fit as well, the first is taken.
_ALPHABETS = {
    "cp1252": (
        *("£éèêçïñö", "äöüß", "àâæçèéêëîïôùûüœÿ", "¡¿áéíñóúü", "ªºàáâãçéêíóôõúü", "àèéìíîòóùú", "·àçèéíïòóúü"),
        *("äåéö", "äåöšž", "æøåéóò", "áæéíðóöúýþ", "áéëïóöü", "äõöüšž"),
    ),
    "cp1250": ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ćčđšž", "âăîşţ"),
    "cp1254": ("âçğıîöşüû",),
    "cp1257": ("ąčėęįšūųž", "āčēģīķļņšūž"),
}


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
    if not _MORE_THAN_MARKS.search(data):
        return "cp1252"
    possible = list(filter(_is_likely, _possible_encodings(_sample(data))))
    if possible and "cp1252" not in possible and _SIDE_BY_SIDE.search(data):
        return possible[0]
    # the bytes alone seldom tell apart the encodings of Latin letters
    latin = [encoding for encoding in _ALPHABETS if encoding in possible or encoding == "cp1252"]
    return max(latin, key=lambda encoding: _letters_of_one_language(data, encoding))


def _sample(data: bytes) -> bytes:
    """What tells the encoding: a bounded part of the lines that are not ASCII, from where they begin to differ."""
    lines = b"\n".join(line for line in data.splitlines() if not line.isascii())
    first = next(match.start() for match in _NOT_ASCII_BYTE.finditer(lines))
    return lines[max(0, first - 2**10) :][: 2**18]


def _possible_encodings(data: bytes) -> Iterator[str]:
    """The likeliest first."""
    import charset_normalizer

    for match in charset_normalizer.from_bytes(data):
        yield match.encoding
        yield from match.could_be_from_charset


def _is_likely(encoding: str) -> bool:
    """Whether a file without a NUL or a mark at its start is in that encoding today."""
    return encoding not in ("ascii", "hp_roman8") and not encoding.startswith(("mac_", "utf_16", "utf_32"))


def _letters_of_one_language(data: bytes, encoding: str) -> int:
    """How many of the accented letters, read in that encoding, are of the language to which most of them belong."""
    counts = Counter(_NOT_ASCII.findall(data.decode(encoding, "replace").lower()))
    return max(sum(map(counts.__getitem__, letters)) for letters in _ALPHABETS[encoding])
