"""Markdown: CommonMark with tables and footnotes, and what Obsidian, Notion, Bear and Hugo write beside it."""

import re
import tomllib
from datetime import date
from typing import TYPE_CHECKING

from ingest.reading import Reading, Section, bare_links, blank, blanked, day_of, line_starts, web_address
from knowledge.documents import Link

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_YAML_FRONT = re.compile(r"\A---[ \t]*\n(.*?\n)??(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TOML_FRONT = re.compile(r"\A\+\+\+[ \t]*\n(.*?\n)??\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL)
_LONGEST_FRONT_MATTER = 2**16
_WIKI_LINK = re.compile(r"!?\[\[([^\[\]|\n]+)(?:\|([^\[\]\n]*))?\]\]")
_ANCHOR = re.compile(r"<a\s[^<>]*?href\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_HTML_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
# tags, and what stands in a link or is code
_NO_HTML_TEXT = re.compile(
    r"<(a|code|pre|script|style|textarea)\b[^<>]*>.*?(?:</\1\s*>|\Z)|<[^<>]*>", re.DOTALL | re.IGNORECASE
)
# Bear closes a tag of several words with a second #
_TAG = re.compile(r"(?<![^\s(\[,;])#(?:([\w/-]+(?: [\w/-]+){1,5})#(?![\w#])|([\w/-]*[^\W\d][\w/-]*))")


def read_markdown(text: str) -> Reading:
    """The outline of a Markdown text. Front matter is blanked out, so that every offset and line stays true."""
    metadata, body = _front_matter(text)
    title, addresses = _scalar(metadata.get("title")), _addresses(metadata)
    if not body.strip() and (title or addresses):
        # a bookmark: what it is called is all that it says
        body = title or addresses[0]
        reading = Reading(body, [Section((), 0, 0, len(body))], blocks=[0])
    else:
        reading = _outline(body)
    reading.title = title or reading.title
    reading.document_tags = _tags_of(metadata.get("tags")) or _tags_of(metadata.get("tag"))
    reading.author = _scalar(metadata.get("author"))
    # the first one is usual, the others are what web clippers write
    published = next(filter(None, (_scalar(metadata.get(key)) for key in ("date", "published", "created"))), "")
    reading.published = day_of(published) or published
    first_line = reading.sections[0].first_line if reading.sections else 0
    reading.links += [(first_line, Link(reading.title or url, url)) for url in addresses]
    return reading


def _front_matter(text: str) -> tuple[dict, str]:
    """YAML or TOML front matter, and the text with it blanked out; an empty one where it is broken."""
    import yaml

    match = _YAML_FRONT.match(text) or _TOML_FRONT.match(text)
    if not match or match.end() > _LONGEST_FRONT_MATTER:
        return {}, text
    content = match.group(1) or ""
    try:
        # all of YAML is taken as it is written, whatever type it claims: 2024-02-30, 007, `!!bool maybe`, `<<`
        metadata = tomllib.loads(content) if text.startswith("+") else yaml.load(content, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, tomllib.TOMLDecodeError, ValueError, RecursionError):
        return {}, text
    if not isinstance(metadata, dict):
        return {}, text
    return metadata, blank(match.group()) + text[match.end() :]


def _scalar(value: object) -> str:
    text = str(value).strip() if isinstance(value, (str, int, float, date)) else ""
    return "" if text in ("~", "null") else text


def _tags_of(tags: object) -> tuple[str, ...]:
    if isinstance(tags, str):
        tags = tags.replace(",", " ").split()
    if not isinstance(tags, list):
        return ()
    return tuple(tag for value in tags if (tag := _scalar(value).lstrip("#")))


def _addresses(metadata: dict) -> list[str]:
    """The web addresses that clippers and people keep in front matter, each once."""
    values = [metadata.get(name) for name in ("source", "url", "link", "links")]
    listed = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return list(dict.fromkeys(filter(None, (web_address(_scalar(one)) for one in listed))))


def _outline(text: str) -> Reading:
    starts = [*line_starts(text), len(text)]
    environment: dict = {}
    tokens = [token for token in _parser().parse(text, environment) if token.map is not None]
    reading = Reading(text)
    _read_sections(tokens, starts, reading)
    for token in tokens:
        start, end = (starts[min(line, len(starts) - 1)] for line in token.map or ())
        if token.level == 0:
            reading.blocks.append(start)
        if token.type in ("fence", "code_block"):
            reading.fences.append((start, end))
        elif token.type in ("list_item_open", "tr_open"):
            reading.items.append(start)
        elif token.type == "inline":
            footnotes = environment.get("footnotes", {}).get("list", {})
            _read_inline(token.children or [], (token.map or [0])[0], footnotes, reading)
        elif token.type == "html_block":
            reading.links += _links_in_html(token.content, (token.map or [0])[0])
    _add_unused_references(environment, reading)
    # footnotes are parsed last, wherever they stand
    reading.blocks.sort()
    reading.items.sort()
    reading.fences.sort()
    return reading


def _read_sections(tokens: list["Token"], starts: list[int], reading: Reading) -> None:
    path: list[tuple[int, str]] = []
    section = Section((), 0, 0, len(reading.text))
    for token, inline in zip(tokens, tokens[1:], strict=False):
        if token.type != "heading_open" or token.level or token.map is None:
            continue
        level = int(token.tag[1:])
        section.end = starts[token.map[0]]
        reading.keep(section, container=bool(path) and level > path[-1][0] and bool(section.heading_path))
        path = [(depth, name) for depth, name in path if depth < level]
        path.append((level, _plain(inline) or "(untitled)"))
        if level == 1 and not reading.title:
            reading.title = path[-1][1]
        names = tuple(name for _, name in path)
        section = Section(names, token.map[0], starts[min(token.map[1], len(starts) - 1)], len(reading.text))
    reading.keep(section, container=False)


def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt
    from mdit_py_plugins.footnote import footnote_plugin

    parser = MarkdownIt("commonmark").enable("table").use(footnote_plugin)
    # addresses are kept as they were written; what may be opened is decided where they are shown
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return parser


def _plain(inline: "Token") -> str:
    """The words of a heading, without its markup."""
    pieces = [
        child.content if child.type in ("text", "code_inline") else " "
        for child in inline.children or ()
        if child.type in ("text", "code_inline", "softbreak", "hardbreak")
    ]
    return "".join(pieces).strip()


def _read_inline(children: list["Token"], line: int, footnotes: dict, reading: Reading) -> None:
    """Take the links, bare addresses and tags of a block that begins on `line`, with their lines."""
    open_link: tuple[int, str, list[str]] | None = None
    written = ""
    for child in children:
        if not open_link and (child.type == "text" or child.markup in ("_", "__")):
            # what Markdown takes for emphasis is part of an address such as https://a.org/__init__.py
            written += child.content or child.markup
            reading.tags += [(line, several or single) for several, single in _TAG.findall(child.content)]
            continue
        _read_text(written, line, reading)
        written = ""
        if child.type == "link_open":
            open_link = (line, str(child.attrs.get("href", "")), [])
        elif child.type == "link_close" and open_link:
            first_line, url, words = open_link
            reading.links.append((first_line, Link("".join(words).strip() or url, url)))
            open_link = None
        elif child.type in ("softbreak", "hardbreak"):
            line += 1
            if open_link:
                open_link[2].append(" ")
        elif open_link:
            open_link[2].append(child.content)
        elif child.type == "html_inline":
            reading.links += _links_in_html(child.content, line)
        elif child.type == "footnote_ref":
            footnote = footnotes[child.meta["id"]]
            # one that is written where it belongs, ^[so], has no lines of its own
            _read_inline(footnote.get("tokens", []), line, footnotes, reading)
            line += footnote.get("content", "").count("\n")
    _read_text(written, line, reading)


def _read_text(text: str, line: int, reading: Reading) -> None:
    reading.links += [(line, link) for _, link in bare_links(blanked(_WIKI_LINK, text))]
    for target, alias in _WIKI_LINK.findall(text):
        url = web_address(target.strip()) or f"[[{target.strip()}]]"
        reading.links.append((line, Link((alias or target).strip(), url)))


def _links_in_html(html: str, first_line: int) -> list[tuple[int, Link]]:
    """The links of a piece of raw HTML, and the addresses that stand in its text."""
    from html import unescape

    html = blanked(_HTML_COMMENT, html)
    links = [
        (html.count("\n", 0, match.start()), Link(url, url))
        for match in _ANCHOR.finditer(html)
        if (url := unescape(match.group(1)))
    ]
    links += bare_links(unescape(blanked(_NO_HTML_TEXT, html)))
    return [(first_line + line, link) for line, link in links]


def _add_unused_references(environment: dict, reading: Reading) -> None:
    """Add the references that are defined and not used: a list of them at the end is a list of links too.

    One that leads nowhere, as in `[//]: # (words)`, is how people write comments.
    """
    used = {link.url for _, link in reading.links}
    for label, reference in environment.get("references", {}).items():
        if reference["href"] not in ("", "#", *used):
            text = reference.get("title") or label.lower()
            reading.links.append((reference["map"][0], Link(text, reference["href"])))
