"""The records that pass between the parts: a document, its chunks, and a hit."""

import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import unquote


@dataclass(frozen=True)
class Link:
    """A link as it stands in a note; `url` is empty where the author left it empty."""

    text: str
    url: str

    @property
    def says_something(self) -> bool:
        """Whether its text tells more than that it is a link."""
        return self.text.strip().lower() not in (*_SAYS_NOTHING, self.url.lower())

    @property
    def label(self) -> str:
        """What people read: its text; where that says nothing, the words in its address, or the address."""
        if self.says_something:
            return self.text
        host, _, path = self.url.split("://")[-1].removeprefix("www.").rstrip("/").partition("/")
        slug = unquote(path.split("?")[0].split("#")[0].rpartition("/")[2]).removesuffix(".html")
        found = [word for word in re.split(r"[-_+ ]", slug) if _IS_WORD.fullmatch(word)]
        return f"{' '.join(found)} ({host})" if len(found) >= _TITLE_WORDS else "/".join(filter(None, (host, path)))


#: An address has so many words in its last part, at least, where these are a title. Numbers of pages are no words.
_TITLE_WORDS = 3
_IS_WORD = re.compile(r"(?!(?=.*\d)[0-9a-f]{6,}$)[^\W_][\w'’.]*", re.IGNORECASE)
_SAYS_NOTHING = ("", "link", "here", "this", "url", "article", "blog", "paper", "post")


@dataclass(frozen=True)
class Place:
    """Where a passage stands in a source whose lines nobody sees: from the `first` page, slide, row or cell to the
    `last`, counted from 1."""

    unit: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.unit} {self.first}" if self.first == self.last else f"{self.unit}s {self.first}–{self.last}"

    def up_to(self, other: "Place") -> "Place":
        """From here to the end of another one."""
        return Place(self.unit, self.first, other.last)


@dataclass(frozen=True)
class Chunk:
    """A passage of a document: a whole section, or a part of one that is longer than the encoder reads."""

    source: str
    title: str
    heading_path: tuple[str, ...]
    lines: tuple[int, int]
    text: str
    links: tuple[Link, ...] = ()
    tags: tuple[str, ...] = ()
    kind: str = "note"
    url: str | None = None
    place: Place | None = None
    #: of a passage joined from several: at which offset of the text each of them begins, and where it stands
    places: tuple[tuple[int, Place], ...] = ()
    #: longer than the encoder reads and not to be cut: the end is found by its words only
    overlong: bool = False

    @property
    def heading(self) -> str:
        """The heading path as people read it."""
        return " › ".join(self.heading_path)

    @property
    def section(self) -> tuple[str, tuple[str, ...]]:
        """What all parts of one section have in common, with sections of the same name: the source and the heading
        path. `Store.section_of` tells these apart."""
        return self.source, self.heading_path

    def holds(self, other: "Chunk") -> bool:
        """Whether it is the other chunk, or was joined from that and its neighbours."""
        first, last = self.lines
        return self.section == other.section and first <= other.lines[0] <= other.lines[1] <= last

    @property
    def address(self) -> str | None:
        """Where a click on the passage leads: the article itself, or the first link that stands in a note."""
        return self.url or next((link.url for link in self.links if link.url), None)

    def place_of(self, start: int, end: int) -> Place | None:
        """Where a stretch of its text stands, as exactly as is known."""
        touched = [place for offset, place in self.places if offset <= start][-1:]
        touched += [place for offset, place in self.places if start < offset < end]
        return touched[0].up_to(touched[-1]) if touched else self.place

    def location(self, lines: tuple[int, int]) -> str:
        """Where some of its lines stand, in the way that editors and terminals make a link of it."""
        if self.place:
            return f"{self.source}, {self.place}"
        first, last = lines
        return self.source if self.url else f"{self.source}:{first}" + (f"-{last}" if last != first else "")

    @property
    def embedded_text(self) -> str:
        """What the encoder sees: where the passage stands, then what it says."""
        return f"{self.heading}\n{self.text}".strip()

    @property
    def vector_id(self) -> str:
        """Names the vector by what was embedded, so equal passages share one and a moved file needs no encoder."""
        return hashlib.blake2b(self.embedded_text.encode("utf-8", "replace"), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Reference:
    """A link with the place where it stands: the section and the line, from 1, of the note `source`.

    `key` names the page that it leads to (`ingest.addresses.key_of`); it is empty where the link leads to none.
    """

    text: str
    url: str
    key: str
    line: int
    heading_path: tuple[str, ...]
    source: str = ""
    title: str = ""

    @property
    def heading(self) -> str:
        return " › ".join(self.heading_path)


@dataclass(frozen=True)
class Document:
    """A source and its chunks.

    `file` is where it was read: the source itself, the archive that holds it, or nothing for a fetched page. `key`
    names the page by its address (`ingest.addresses.key_of`) where it has one; by it notes are matched to what they
    link to. `digest` is that of the bytes it was read from.
    """

    source: str
    title: str
    digest: str
    file: str = ""
    kind: str = "note"
    url: str | None = None
    key: str = ""
    author: str = ""
    published: str = ""
    problem: str = ""
    chunks: tuple[Chunk, ...] = field(default=(), repr=False)
    references: tuple[Reference, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Listed:
    """A document as `sources` lists it: with the number of its chunks and when it was indexed (UTC)."""

    document: Document
    chunks: int
    indexed_at: str


@dataclass(frozen=True)
class SourceFile:
    """A file that was looked at.

    `size` in bytes and `mtime_ns`, its last change, tell an unchanged one without reading it. `problem` says why it
    gave nothing, or not all that it holds; `failed` that it could not be read, and what was indexed of it before is
    kept.
    """

    path: str
    digest: str = ""
    size: int = 0
    mtime_ns: int = 0
    problem: str = ""
    failed: bool = False


@dataclass(frozen=True)
class LinkedPage:
    """A page that notes link to, or that was asked for, and how fetching it ended.

    `state` is one of the words in `ingest.links`; times are UTC. `digest` is that of the page kept in `pages/`, and
    `fetched_at` its date: both stay when the link dies later. `same_as` is the key of the page that this one turned
    out to be, after a redirect.
    """

    key: str
    url: str
    state: str
    reason: str = ""
    checked_at: str = ""
    fetched_at: str = ""
    final_url: str = ""
    digest: str = ""
    etag: str = ""
    last_modified: str = ""
    same_as: str = ""


@dataclass(frozen=True)
class Hit:
    """A chunk found for a question.

    `similarity` is the cosine of the embeddings; `coverage` the share, 0 to 1, of the attainable BM25 score
    (`Catalogue.match`); `token_similarity` the figure of late interaction, `least_met` its figure for the words that
    are met least, and `relevance` that of a cross-encoder, each 0 where it was not asked for; `score` what the ranking
    went by. Ranks count from 1, and are None where that ranking did not return the chunk among its candidates.
    """

    chunk: Chunk
    score: float
    similarity: float = 0.0
    coverage: float = 0.0
    token_similarity: float = 0.0
    dense_rank: int | None = None
    sparse_rank: int | None = None
    relevance: float = 0.0
    least_met: float = 0.0
