"""The records that pass between the parts: a document, its chunks, and a hit."""

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Link:
    """A link as it stands in a note; `url` is empty where the author left it empty."""

    text: str
    url: str


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

    @property
    def heading(self) -> str:
        """The heading path as people read it."""
        return " › ".join(self.heading_path)

    @property
    def address(self) -> str | None:
        """Where a click on the passage leads: the article itself, or the first link that stands in a note."""
        return self.url or next((link.url for link in self.links if link.url), None)

    @property
    def embedded_text(self) -> str:
        """What the encoder sees: where the passage stands, then what it says."""
        return f"{self.heading}\n{self.text}".strip()

    @property
    def vector_id(self) -> str:
        """Names the vector by what was embedded, so equal passages share one and a moved file needs no encoder."""
        return hashlib.blake2b(self.embedded_text.encode("utf-8", "replace"), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Document:
    """A source and its chunks. `size` in bytes and `mtime_ns` tell an unchanged file without reading it."""

    source: str
    title: str
    digest: str
    size: int = 0
    mtime_ns: int = 0
    kind: str = "note"
    chunks: tuple[Chunk, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Hit:
    """A chunk found for a question.

    `similarity` is the cosine of the embeddings; `coverage` the share, 0 to 1, of the attainable BM25 score
    (`Catalogue.match`); `score` what the ranking went by. Ranks count from 1, and are None where that ranking did not
    return the chunk among its candidates.
    """

    chunk: Chunk
    score: float
    similarity: float = 0.0
    coverage: float = 0.0
    dense_rank: int | None = None
    sparse_rank: int | None = None
