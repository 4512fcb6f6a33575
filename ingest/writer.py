"""Embed documents in batches and make them visible in the store."""

from collections.abc import Callable, Iterator

from ingest.addresses import key_of
from ingest.reading import Reading
from ingest.split import references, split
from knowledge.documents import Chunk, Document, SourceFile
from knowledge.store import Store

#: Chunks embedded before the documents they belong to become visible: what a killed run does again.
_BATCH = 256


def make_document(reading: Reading, source: str, file: str, digest: str, store: Store) -> Document:
    """A reading, split and ready to be embedded."""
    return Document(
        source=source,
        title=reading.title,
        digest=digest,
        file=file,
        kind=reading.kind,
        url=reading.url,
        key=key_of(reading.url or ""),
        author=reading.author,
        published=reading.published,
        problem=reading.problem,
        chunks=tuple(split(source, reading, store.encoder)),
        references=tuple(references(reading, key_of) if reading.own else ()),
    )


class Writer:
    """Collects documents until there are enough of them to embed at once.

    `previous` is another edition of the index, made with the same model, whose vectors serve again. `done` is called
    with the bytes of the files that were waiting, as they are done with, and the source at hand.
    """

    def __init__(self, store: Store, previous: Store | None, done: Callable[[int, str], None]) -> None:
        self._store = store
        self._previous = previous
        self._done = done
        self._waiting: list[tuple[SourceFile | None, list[Document]]] = []

    def add(self, documents: list[Document], file: SourceFile | None = None) -> None:
        """Take documents; with `file`, all that it holds."""
        self._waiting.append((file, documents))
        if len(self._chunks()) >= _BATCH:
            self.flush()

    def _chunks(self) -> list[Chunk]:
        return [chunk for _, documents in self._waiting for document in documents for chunk in document.chunks]

    def flush(self) -> None:
        """Embed what is waiting, then make it visible."""
        missing = self._missing(self._chunks())
        size = sum(file.size for file, _ in self._waiting if file)
        left = size
        for part in _batches(missing):
            self._store.embed(part)
            left -= (share := size * len(part) // (len(missing) + 1))
            self._done(share, part[-1].source)
        for file, documents in self._waiting:
            self._store.add(documents, file)
        if self._waiting:
            self._done(left, self._waiting[-1][1][-1].source)
        self._waiting.clear()

    def _missing(self, chunks: list[Chunk]) -> list[Chunk]:
        missing = self._store.missing(chunks) if chunks else []
        if missing and self._previous:
            self._store.take_over(self._previous, missing)
            missing = self._store.missing(missing)
        return missing


def _batches(chunks: list[Chunk]) -> Iterator[list[Chunk]]:
    for start in range(0, len(chunks), _BATCH):
        yield chunks[start : start + _BATCH]
