"""Mend text that was decoded wrongly somewhere on its way, line by line, so that line numbers stay true."""

import re

# A C1 control byte that a tool wrote out as its escape, right behind the rest of its broken sequence: â€\x9d
_ESCAPED_BYTE = re.compile(r"(?<=â€)\\x([89][0-9a-f])")
_FENCE = re.compile(r"[ \t]*(`{3,}(?!.*`)|~{3,})")
_CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")


def clean(text: str) -> str:
    """`text` with its mojibake mended by ftfy. Code is left as it is: it may show broken text on purpose."""
    if text.isascii():
        return text
    fence = ""
    lines = []
    for line in text.split("\n"):
        if fence:
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif opened := _FENCE.match(line):
            fence = opened.group(1)
        elif not line.isascii():
            line = _mend_line(line)
        lines.append(line)
    return "\n".join(lines)


def _mend_line(line: str) -> str:
    pieces = []
    position = 0
    for span in _CODE_SPAN.finditer(line):
        pieces += [_mend(line[position : span.start()]), span.group()]
        position = span.end()
    return "".join((*pieces, _mend(line[position:])))


def _mend(text: str) -> str:
    import ftfy

    unescaped = _ESCAPED_BYTE.sub(lambda match: chr(int(match.group(1), 16)), text)
    # only encodings are mended: quotes, widths and ligatures are the author's own
    return ftfy.fix_text(
        unescaped,
        unescape_html=False,
        uncurl_quotes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        fix_line_breaks=False,
        normalization=None,
    )
