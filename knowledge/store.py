"""The store: a few verbs over the catalogue and the vectors.

Two stores cannot share a transaction. The order of writing makes every moment safe instead: vectors first, named by
what was embedded, so writing one twice is harmless; then the catalogue, in one transaction; then the vectors that
nothing refers to are deleted. A search shows only what the catalogue holds. `finish` sweeps what a killed run left.
"""

import dataclasses
import functools
import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from knowledge.catalogue import Catalogue
from knowledge.documents import Chunk, Document, Hit
from knowledge.encoder import Encoder, load_encoder
from knowledge.errors import NotesError
from knowledge.settings import Settings
from knowledge.vectors import Vectors

if TYPE_CHECKING:
    pass

#: How many chunks each ranking hands to the fusion.
CANDIDATES = 50
#: How many chunks before and behind a chunk are read with it, where they are of the same section.
NEIGHBOURS = 2


class Store:
    """Everything indexed, at one address: the home folder.

    The encoder and the vectors load on first need, so that listing and an unchanged ingest stay fast.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._catalogue = Catalogue(settings.home / "catalogue.sqlite")
        self._encoder: Encoder | None = None
        self._vectors: Vectors | None = None
        self._vectors_lock = threading.Lock()
        self._seen_generation = ""

    def close(self) -> None:
        if self._vectors:
            self._vectors.close()
        self._catalogue.close()

    @property
    def encoder(self) -> Encoder:
        if self._encoder is None:
            self._encoder = load_encoder(self._settings.embedding_model, self._settings.models)
        return self._encoder

    # -- reading ----------------------------------------------------------------------------------------------------

    def search(self, query: str, k: int) -> list[Hit]:
        """The `k` best chunks for `query`, best first.

        The score is the mean of the cosine and of the coverage, both of which say how good a match is and not only
        that it is better than the next: with few or terse notes the best of a ranking is often no match at all, and
        fusing by rank alone then loses to one ranking by itself (tests/benchmarks/README.md has the figures).
        """
        fused: dict[tuple[str, str, tuple[int, int]], Hit] = {}
        sparse = self.rank_sparse(query)
        for hit in (*self._rank_dense(query, beside=sparse), *sparse):
            chunk = hit.chunk
            key = (chunk.vector_id, chunk.source, chunk.lines)
            if key in fused:
                hit = dataclasses.replace(fused[key], coverage=hit.coverage, sparse_rank=hit.sparse_rank)
            fused[key] = dataclasses.replace(hit, score=(hit.similarity + hit.coverage) / 2)
        return sorted(fused.values(), key=lambda hit: (-hit.score, -hit.similarity))[:k]

    def rank_dense(self, query: str) -> list[Hit]:
        """Up to CANDIDATES chunks by the cosine of their embedding to the query's."""
        return self._rank_dense(query, beside=())

    def _rank_dense(self, query: str, beside: Sequence[Hit]) -> list[Hit]:
        """The dense ranking, with the chunks of `beside` that are not among its candidates behind it, unranked."""
        if not self._catalogue.counts()[1]:
            return []
        vector = self.encoder.encode([query])[0]
        with self._vectors_lock:
            vectors = self._current_vectors()
            near = vectors.nearest(vector, CANDIDATES)
            ranked = {vector_id for vector_id, _ in near}
            others = {hit.chunk.vector_id for hit in beside} - ranked
            far = vectors.similarities(vector, sorted(others))
        rows = self._catalogue.chunk_ids_of_vectors([*ranked, *far])
        chunks = self._catalogue.chunks(chunk_id for ids in rows.values() for chunk_id in ids)
        hits: list[Hit] = []
        for vector_id, cosine in (*near, *far.items()):
            for chunk in (chunks[row] for row in rows.get(vector_id, ()) if row in chunks):
                rank = len(hits) + 1 if vector_id in ranked else None
                hits.append(Hit(chunk, score=cosine, similarity=cosine, dense_rank=rank))
        return hits

    def rank_sparse(self, query: str) -> list[Hit]:
        """Up to CANDIDATES chunks by BM25 over headings and text."""
        matches = self._catalogue.match(query, CANDIDATES)
        chunks = self._catalogue.chunks(chunk_id for chunk_id, _ in matches)
        found = [(chunks[row], coverage) for row, coverage in matches if row in chunks]
        return [
            Hit(chunk, score=coverage, coverage=coverage, sparse_rank=rank)
            for rank, (chunk, coverage) in enumerate(found, start=1)
        ]

    def get(self, source: str) -> list[Chunk]:
        """The chunks of one document, in order; none where it is not indexed."""
        return self._catalogue.chunks_of(source)

    def around(self, chunk: Chunk) -> Chunk:
        """The section that a chunk was cut from, as one chunk; of a very long one, the chunk with its neighbours."""
        parts = [part for part in self._catalogue.chunks_of(chunk.source) if part.heading_path == chunk.heading_path]
        index = parts.index(chunk) if chunk in parts else 0
        near = parts[max(0, index - NEIGHBOURS) : index + NEIGHBOURS + 1] or [chunk]
        return functools.reduce(_joined, near)

    def documents(self) -> list[tuple[Document, int, str]]:
        """Every document with the number of its chunks and when it was indexed (UTC)."""
        return self._catalogue.documents()

    def counts(self) -> tuple[int, int]:
        """Numbers of documents and of chunks."""
        return self._catalogue.counts()

    def count_links(self) -> int:
        """Number of different addresses that stand in the indexed notes."""
        return self._catalogue.count_links()

    def headings(self, limit: int) -> list[str]:
        return self._catalogue.headings(limit)

    def knows(self, word: str) -> bool:
        """Whether a word stands anywhere in the notes, in any of its forms."""
        return self._catalogue.frequency(word) > 0

    def rarity(self, word: str) -> float:
        """Inverse document frequency of a word among the chunks."""
        return self._catalogue.rarity(word)

    def roots(self) -> list[str]:
        """The files and folders that an ingest without arguments brings up to date."""
        return self._catalogue.roots()

    # -- writing ----------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the one writer's place. Raises NotesError where another process holds it.

        Left without an error, it deletes the vectors that an earlier, killed run left behind.
        """
        from filelock import FileLock, Timeout

        try:
            lock = FileLock(self._settings.home / "writing.lock", timeout=0)
            with lock:
                interrupted = self._catalogue.get_state("writing") == "yes"
                self._catalogue.set_state("writing", "yes")
                yield
                if interrupted:
                    self._sweep()
                self._catalogue.set_state("writing", "no")
        except Timeout as error:
            raise NotesError(
                f"another askmynotes is writing to {self._settings.home}: wait until it is done, then try again"
            ) from error

    def missing(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        """One chunk for each vector that is not stored yet."""
        by_id = {chunk.vector_id: chunk for chunk in chunks}
        known = self._writable_vectors().known(list(by_id))
        return [chunk for vector_id, chunk in by_id.items() if vector_id not in known]

    def embed(self, chunks: Sequence[Chunk]) -> None:
        """Embed and store the vectors of `chunks`; the chunks themselves become visible by `add`."""
        import numpy as np

        vectors: np.ndarray = self.encoder.encode([chunk.embedded_text for chunk in chunks])
        self._writable_vectors().put({chunk.vector_id: row for chunk, row in zip(chunks, vectors, strict=True)})

    def add(self, document: Document) -> None:
        """Make a document, whose chunks are all embedded, visible; it replaces the one of the same source."""
        before = self._catalogue.vector_ids_of(document.source)
        with self._catalogue.transaction():
            self._catalogue.put(document)
            self._bump()
        self._forget(before)

    def touch(self, document: Document) -> None:
        """Remember the new size and time of a document whose content is the same."""
        self._catalogue.touch(document)

    def remove(self, source: str) -> None:
        before = self._catalogue.vector_ids_of(source)
        with self._catalogue.transaction():
            self._catalogue.delete(source)
            self._bump()
        self._forget(before)

    def add_root(self, path: str) -> None:
        self._catalogue.add_root(path)

    def remove_root(self, path: str) -> None:
        self._catalogue.remove_root(path)

    @property
    def made_with(self) -> str | None:
        """Names the embedding model and the chunking that the index was last completed with."""
        return self._catalogue.get_state("made_with")

    def complete(self, made_with: str) -> None:
        """Record what the whole index is made with now, and drop the vectors of any other embedding model."""
        if self._vectors:
            self._vectors.drop_others()
        self._catalogue.set_state("made_with", made_with)

    def _bump(self) -> None:
        generation = int(self._catalogue.get_state("generation") or 0) + 1
        self._catalogue.set_state("generation", str(generation))

    def _forget(self, vector_ids: Iterable[str]) -> None:
        unused = self._catalogue.unused(vector_ids)
        if unused:
            self._writable_vectors().delete(unused)

    def _sweep(self) -> None:
        vectors = self._writable_vectors()
        vectors.delete(sorted(vectors.ids() - self._catalogue.vector_ids()))

    # -- the vectors ------------------------------------------------------------------------------------------------

    def _writable_vectors(self) -> Vectors:
        if self._vectors is None:
            # each embedding model has a collection of its own, so that vectors of two never mix
            model = hashlib.blake2b(self._settings.embedding_model.encode(), digest_size=8).hexdigest()
            self._vectors = Vectors(self._settings.home / "chroma", f"chunks-{model}")
        return self._vectors

    def _current_vectors(self) -> Vectors:
        """The vectors, opened again if another process has written since."""
        made_with = (self.made_with or "").partition(" · ")[0]
        if made_with not in ("", self._settings.embedding_model):
            raise NotesError(
                f"the index was made with the embedding model {made_with}, and the setting is now "
                f"{self._settings.embedding_model}: run `askmynotes ingest` to embed again"
            )
        generation = self._catalogue.get_state("generation") or ""
        vectors = self._writable_vectors()
        if self._seen_generation not in ("", generation):
            vectors.reopen()
        self._seen_generation = generation
        return vectors


def _joined(first: Chunk, second: Chunk) -> Chunk:
    """Two chunks that follow one another as one, with as many line ends between them as in the source."""
    gap = "\n" * (second.lines[0] - first.lines[1]) or " "
    return dataclasses.replace(
        first,
        text=first.text + gap + second.text,
        lines=(first.lines[0], second.lines[1]),
        links=tuple(dict.fromkeys((*first.links, *second.links))),
    )
