"""The store: a few verbs over the catalogue and the vectors.

Two stores cannot share a transaction. The order of writing makes every moment safe instead: vectors first, named by
what was embedded, so writing one twice is harmless; then the catalogue, in one transaction; then the vectors that
nothing refers to are deleted. A search shows only what the catalogue holds. `unfinished` sweeps what a killed run left.

The index has editions. Another embedding model or another way of splitting makes a new one beside the current one,
which answers until the new one is complete (`Store.renewed`).
"""

import dataclasses
import functools
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.catalogue import Catalogue, edition_path
from knowledge.documents import Chunk, Document, Hit, LinkedPage, Listed, Reference, SourceFile
from knowledge.encoder import Encoder, encoder_name, load_encoder, model_of
from knowledge.errors import NotesError
from knowledge.late_interaction import least, met, signs
from knowledge.query import parse
from knowledge.ranking import Candidate, Within, best_first, by_meaning, by_words, fused, split
from knowledge.reranker import Reranker, load_reranker
from knowledge.settings import Settings
from knowledge.vectors import Remembered, Vectors

if TYPE_CHECKING:
    import numpy as np

#: How many of the best fused chunks are read again.
RESCORED = 10
#: Vectors that are copied at once.
_PAGE = 1000
#: How many chunks before and behind a chunk are read with it, where they are of the same section.
NEIGHBOURS = 2


class Store:
    """Everything indexed, at one address: the home folder.

    The encoder and the vectors load on first need, so that listing and an unchanged ingest stay fast.
    """

    def __init__(self, settings: Settings, edition: str | None = None) -> None:
        self._settings = settings
        self._catalogue = Catalogue(settings.home, edition)
        self._encoder: Encoder | None = None
        self._encoder_lock = threading.Lock()
        self._vectors: Vectors | None = None
        self._vectors_lock = threading.Lock()
        self._seen_generation = ""
        self._embedded = Remembered(lambda texts: dict(zip(texts, self.encoder.encode(texts), strict=True)))
        self._waiting_to_go: set[str] | None = None

    def close(self) -> None:
        if self._vectors:
            self._vectors.close()
        self._catalogue.close()

    @property
    def encoder(self) -> Encoder:
        """The encoder that this edition was made with; for a new one, the one that is set.

        Raises NotesError where it is not there any more.
        """
        with self._encoder_lock:  # loaded once, however many ask at the same time
            if self._encoder is None:
                name = (self.made_with or "").partition(" · ")[0] or self.encoder_name
                try:
                    self._encoder = load_encoder(name, self._settings.models)
                except NotesError as error:
                    # what is not there has no precision, so that their names may differ
                    if model_of(name) == model_of(self.encoder_name):
                        raise
                    raise NotesError(
                        f"the index was made with {name}, which cannot be used ({error}): make a new one with "
                        f"{self.encoder_name}: `askmynotes ingest`"
                    ) from error
            return self._encoder

    @property
    def encoder_name(self) -> str:
        """Names the encoder that a new edition is made with."""
        return encoder_name(self._settings.embedding_model, self._settings.models)

    # -- reading ----------------------------------------------------------------------------------------------------

    def search(self, query: str, k: int, keep: Sequence[Chunk] = ()) -> list[Hit]:
        """The `k` best chunks for `query`, best first, of those that its filters (`knowledge.query`) let through.
        Those of the sections in `keep` that they let through are scored as all are, and stay wherever they come.

        Dense and full-text ranking are fused by score (`ranking.Candidate`); late interaction reads the best again,
        word by word, and the reranker too, where one is set.
        Raises NotesError for a filter that cannot be, or a reranker that is not there.
        """
        asked = parse(query)
        self._follow()
        within = self._catalogue.within(asked)
        if not self._catalogue.counts()[1] or within == {}:
            return []
        encoded, tokens = self.encoder.encode_with_tokens([asked.topic])
        kept = self._rows_of_sections(keep, within)
        sparse = by_words(asked.topic, within, self._catalogue, beside=kept)
        with self._vectors_lock:
            vectors = self._current_vectors()
            dense = by_meaning(encoded[0], within, self._catalogue, vectors)
            ranked = fused(dense, sparse, encoded[0], within, self._catalogue, vectors)
        near, far = split(ranked, RESCORED, kept)
        self._read_again(tokens[0], near)
        if self._reranker:
            self._rerank(self._reranker, asked.topic, near, far)
        return self._hits(split(best_first(near + far), k, kept)[0])

    def _rows_of_sections(self, sections: Sequence[Chunk], within: Within) -> set[int]:
        """The chunks that make up sections (`around`) and that filters let through."""
        rows = {
            row for section in sections for row in self._catalogue.chunk_ids_of_section(section, 2 * NEIGHBOURS + 1)
        }
        return rows if within is None else rows & {row for ids in within.values() for row in ids}

    def _read_again(self, query: "np.ndarray", candidates: Sequence[Candidate]) -> None:
        """Give candidates the figures of late interaction to the word pieces of the query."""
        found = self._catalogue.token_signs([each.vector_id for each in candidates])
        figures = met(query, [found.get(each.vector_id, b"") for each in candidates])
        for each, mean, lowest in zip(candidates, figures.mean(axis=1), least(figures), strict=True):
            each.token_similarity, each.least_met = float(mean), float(lowest)

    def _rerank(self, reranker: Reranker, question: str, near: Sequence[Candidate], far: Sequence[Candidate]) -> None:
        """Give the near candidates the figure of the reranker; in the far ones, not read, it finds nothing."""
        chunks = self._catalogue.chunks(each.row for each in near)
        there = [each for each in near if each.row in chunks]
        for each in (*near, *far):
            each.relevance = 0.0
        relevances = reranker.figures(question, [chunks[each.row].embedded_text for each in there])
        for each, relevance in zip(there, relevances, strict=True):
            each.relevance = relevance

    def _hits(self, candidates: Sequence[Candidate]) -> list[Hit]:
        """What was found, with its text; without what another process has removed since."""
        chunks = self._catalogue.chunks(each.row for each in candidates)
        return [
            Hit(
                chunks[each.row],
                each.score,
                each.similarity,
                each.coverage,
                each.token_similarity,
                each.dense_rank,
                each.sparse_rank,
                each.relevance or 0.0,
                each.least_met,
            )
            for each in candidates
            if each.row in chunks
        ]

    def use(self, settings: Settings, reranker: Reranker | None) -> None:
        """Search by these settings from now on, with their reranker where there is one."""
        self._settings, self._reranker = settings, reranker

    @functools.cached_property
    def _reranker(self) -> Reranker | None:
        name = self._settings.reranker
        return load_reranker(name, self._settings.models) if name else None

    def vectors_of(self, texts: Sequence[str]) -> "np.ndarray":
        """Unit vectors of sentences, shape (len(texts), dimension). The last few thousand are remembered, since the
        next question of a conversation reads much the same."""
        import numpy as np

        found = self._embedded(texts)
        return np.stack([found[text] for text in texts])

    def similarity(self, one: str, other: str) -> float:
        """The cosine of the embeddings of two sentences."""
        vectors = self.vectors_of([one, other])
        return float(vectors[0] @ vectors[1])

    def rank_dense(self, query: str) -> list[Hit]:
        """The dense ranking alone, scored by the cosine."""
        asked = parse(query)
        within = self._catalogue.within(asked)
        if not self._catalogue.counts()[1] or within == {}:
            return []
        vector = self.encoder.encode([asked.topic])[0]
        with self._vectors_lock:
            found = by_meaning(vector, within, self._catalogue, self._current_vectors())
        return [dataclasses.replace(hit, score=hit.similarity) for hit in self._hits(found)]

    def rank_sparse(self, query: str) -> list[Hit]:
        """The full-text ranking alone, scored by the coverage."""
        asked = parse(query)
        found = by_words(asked.topic, self._catalogue.within(asked), self._catalogue)
        return [dataclasses.replace(hit, score=hit.coverage) for hit in self._hits(found)]

    def get(self, source: str) -> list[Chunk]:
        """The chunks of one document, in order; none where it is not indexed."""
        return self._catalogue.chunks_of(source)

    def around(self, chunk: Chunk) -> Chunk:
        """The section that a chunk was cut from, as one chunk; of a very long one, the chunk with its neighbours."""
        return among(self.section_of(chunk), chunk)

    def section_of(self, chunk: Chunk) -> list[Chunk]:
        """The chunks that the section of a chunk was cut into, in order; the chunk alone where it is not indexed."""
        chunks = self._catalogue.chunks_under(chunk)
        if chunk not in chunks:
            return [chunk]
        first = last = chunks.index(chunk)
        while first and _goes_on(chunks[first - 1], chunks[first]):
            first -= 1
        while last + 1 < len(chunks) and _goes_on(chunks[last], chunks[last + 1]):
            last += 1
        return chunks[first : last + 1]

    def documents(self) -> list[Listed]:
        """Every document without its chunks, by source."""
        self._follow()
        return self._catalogue.documents()

    def document(self, source: str) -> Listed | None:
        """One document without its chunks; None where it is not indexed."""
        return self._catalogue.document(source)

    def whole(self, document: Document) -> Document:
        """A document as it was added, with its chunks and links."""
        chunks, references = self.get(document.source), self._catalogue.references_of(document.source)
        return dataclasses.replace(document, chunks=tuple(chunks), references=tuple(references))

    def files(self) -> list[SourceFile]:
        """Every file that was looked at, also those that gave nothing."""
        return self._catalogue.files()

    def file(self, path: str) -> SourceFile | None:
        """One file that was looked at."""
        return self._catalogue.file(path)

    def left_out(self) -> list[tuple[str, str]]:
        """What was passed over in the folders, with the reason."""
        return self._catalogue.left_out()

    def counts(self) -> tuple[int, int]:
        """Numbers of documents and of chunks."""
        self._follow()
        return self._catalogue.counts()

    def overlong(self) -> list[Chunk]:
        """The chunks that the encoder does not read to their end."""
        return self._catalogue.overlong()

    def references(self) -> list[Reference]:
        """Every link that stands in a note, in the order of the notes and their lines."""
        return self._catalogue.references()

    def referring(self, source: str) -> list[Reference]:
        """The places in the notes that link to a document; none for one that has no address."""
        key = self._catalogue.key_of_document(source)
        return self._catalogue.referring(key) if key else []

    def pages(self) -> dict[str, LinkedPage]:
        """What is known of every linked page that was tried, by its key."""
        return self._catalogue.pages()

    def page(self, key: str) -> LinkedPage | None:
        """What is known of one linked page."""
        return self._catalogue.page(key)

    def headings(self, limit: int) -> list[str]:
        return self._catalogue.headings(limit)

    def sections(self, limit: int) -> "tuple[list[Chunk], np.ndarray]":
        """The first chunks of up to `limit` sections, taken evenly from the whole, and their embeddings, of shape
        (sections, dimension)."""
        import numpy as np

        self._follow()
        chunks = self._catalogue.sections(limit)
        with self._vectors_lock:
            found = self._current_vectors().copies(list({chunk.vector_id for chunk in chunks}))
        held = [chunk for chunk in chunks if chunk.vector_id in found]
        return held, np.array([found[chunk.vector_id] for chunk in held])

    def chunks_by_day(self) -> dict[str, int]:
        """Numbers of chunks by the day (YYYY-MM-DD) of their document, as the filters have it; those that have none
        are left out."""
        return self._catalogue.chunks_by_day()

    @property
    def version(self) -> str:
        """Another one whenever the index has changed."""
        self._follow()
        return f"{self._catalogue.edition}.{self._catalogue.about('generation')}"

    def knows(self, word: str) -> bool:
        """Whether a word stands anywhere in the notes, in any of its forms."""
        return self._catalogue.frequency(word) > 0

    def rarity(self, word: str) -> float:
        """Inverse document frequency of a word among the chunks."""
        return self._catalogue.rarity(word)

    def roots(self) -> list[str]:
        """The files, folders and addresses that an ingest without arguments brings up to date."""
        return self._catalogue.roots()

    def excluded(self) -> list[str]:
        """What lies inside a root and was taken out by hand."""
        return self._catalogue.excluded()

    # -- writing ----------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the one writer's place. Raises NotesError where another process holds it."""
        from filelock import FileLock, Timeout

        try:
            lock = FileLock(self._settings.home / "writing.lock", timeout=0)
            with lock:
                self._follow()
                yield
        except Timeout as error:
            raise NotesError(
                f"another askmynotes is writing to {self._settings.home}: wait until it is done, then try again"
            ) from error

    @contextmanager
    def unfinished(self) -> Iterator[None]:
        """Around what leaves vectors behind when it is killed: the next time, they are swept away.

        Vectors that are no longer needed go only at its end: text that left one file may turn up in the next.
        """
        interrupted = self._catalogue.about("writing") == "yes"
        self._catalogue.set_about("writing", "yes")
        self._waiting_to_go = set()
        try:
            yield
        finally:
            forgotten, self._waiting_to_go = self._waiting_to_go, None
        if interrupted:
            self._sweep()
        else:
            self._forget(forgotten)
        self._catalogue.set_about("writing", "no")

    @contextmanager
    def renewed(self, made_with: str) -> "Iterator[Store]":
        """A store on a new edition of the index, which becomes the current one when it is left without an error.

        A killed run's unfinished edition is gone on with where it was to be made with the same. Vectors that the
        current edition has of the same model are taken over.
        """
        edition, _, meant = (self._catalogue.get_state("building") or "").partition(" ")
        if not edition or meant != made_with:
            self._drop(edition)
            edition = str(int(max(edition, self._catalogue.edition, key=lambda name: int(name or 0))) + 1)
            self._catalogue.set_state("building", f"{edition} {made_with}")
        fresh = Store(self._settings, edition)
        try:
            if fresh.made_with is None:
                fresh._catalogue.set_about("made_with", made_with)
            yield fresh
        finally:
            fresh.close()
        self._publish(edition)

    def _publish(self, edition: str) -> None:
        before = self._catalogue.edition
        with self._catalogue.transaction():
            self._catalogue.set_state("edition", edition)
            self._catalogue.set_state("building", "")
        self._follow()
        self._drop(before)

    def _drop(self, edition: str) -> None:
        if edition:
            path = edition_path(self._settings.home, edition)
            for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                name.unlink(missing_ok=True)
            shutil.rmtree(self._vectors_folder(edition), ignore_errors=True)

    def missing(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        """One chunk for each vector that is not stored yet."""
        by_id = {chunk.vector_id: chunk for chunk in chunks}
        known = self._open_vectors().known(list(by_id)) & self._catalogue.with_token_signs(by_id)
        return [chunk for vector_id, chunk in by_id.items() if vector_id not in known]

    def embed(self, chunks: Sequence[Chunk]) -> None:
        """Embed and store the vectors of `chunks`; the chunks themselves become visible by `add`."""
        vectors, tokens = self.encoder.encode_with_tokens([chunk.embedded_text for chunk in chunks])
        ids = [chunk.vector_id for chunk in chunks]
        self._catalogue.put_token_signs(dict(zip(ids, map(signs, tokens), strict=True)))
        self._open_vectors().put(dict(zip(ids, vectors, strict=True)))

    def take_over(self, other: "Store", chunks: Sequence[Chunk]) -> None:
        """Copy the vectors of `chunks` that another edition, made with the same model, has already."""
        for start in range(0, len(chunks), _PAGE):
            ids = [chunk.vector_id for chunk in chunks[start : start + _PAGE]]
            self._catalogue.put_token_signs(other._catalogue.token_signs(ids))
            self._open_vectors().put(other._open_vectors().copies(ids))

    def add(self, documents: Sequence[Document], file: SourceFile | None = None) -> None:
        """Make documents, whose chunks are all embedded, visible; each replaces the one of the same source.

        With `file`, they are all that it holds: what else was indexed of it goes.
        """
        before = self._catalogue.vector_ids_of(file=file.path) if file else set()
        for document in documents:
            before |= self._catalogue.vector_ids_of(document.source)
        with self._catalogue.transaction():
            if file:
                self._catalogue.delete_file(file.path)
                self._catalogue.put_file(file)
            for document in documents:
                self._catalogue.put(document)
            self._bump()
        self._forget(before)

    def touch(self, file: SourceFile) -> None:
        """Remember the new size and time of a file whose content is the same."""
        self._catalogue.put_file(file)

    def set_address(self, source: str, url: str, key: str) -> None:
        """Make a document the article of this address, which its own text does not name."""
        self._catalogue.set_address(source, url, key)

    def remove(self, source: str) -> None:
        """Remove one document."""
        before = self._catalogue.vector_ids_of(source)
        with self._catalogue.transaction():
            self._catalogue.delete(source)
            self._bump()
        self._forget(before)

    def remove_file(self, path: str) -> None:
        """Forget a file with all that was read from it."""
        before = self._catalogue.vector_ids_of(file=path)
        with self._catalogue.transaction():
            self._catalogue.delete_file(path)
            self._bump()
        self._forget(before)

    def add_root(self, path: str) -> None:
        self._catalogue.add_root(path)

    def remove_root(self, path: str) -> None:
        self._catalogue.remove_root(path)

    def exclude(self, path: str) -> None:
        self._catalogue.exclude(path)

    def include(self, path: str) -> None:
        self._catalogue.include(path)

    def set_left_out(self, inside: Iterable[str], left_out: Iterable[tuple[str, str]]) -> None:
        """Replace what is known to be passed over inside these files and folders."""
        self._catalogue.set_left_out(inside, left_out)

    def put_page(self, page: LinkedPage) -> None:
        self._catalogue.put_page(page)

    def get_state(self, key: str) -> str | None:
        return self._catalogue.get_state(key)

    def set_state(self, key: str, value: str) -> None:
        self._catalogue.set_state(key, value)

    @property
    def made_with(self) -> str | None:
        """Names the embedding model and the chunking that this edition is made with."""
        return self._catalogue.about("made_with")

    @made_with.setter
    def made_with(self, value: str) -> None:
        self._catalogue.set_about("made_with", value)

    def _bump(self) -> None:
        self._catalogue.set_about("generation", str(int(self._catalogue.about("generation") or 0) + 1))

    def _forget(self, vector_ids: Iterable[str]) -> None:
        if self._waiting_to_go is not None:
            self._waiting_to_go.update(vector_ids)
            return
        unused = self._catalogue.unused(vector_ids)
        if unused:
            self._delete_vectors(unused)

    def _sweep(self) -> None:
        self._delete_vectors(sorted(self._open_vectors().ids() - self._catalogue.vector_ids()))

    def _delete_vectors(self, ids: list[str]) -> None:
        self._open_vectors().delete(ids)
        self._catalogue.delete_token_signs(ids)

    # -- the vectors ------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Turn to the edition of the index that is current now."""
        before = self._catalogue.edition
        self._catalogue.follow()
        if self._catalogue.edition != before:
            with self._vectors_lock:
                if self._vectors:
                    self._vectors.close()
                self._vectors = self._encoder = None
                self._embedded.clear()
                self._seen_generation = ""

    def _open_vectors(self) -> Vectors:
        if self._vectors is None:
            self._vectors = Vectors(self._vectors_folder(self._catalogue.edition))
        return self._vectors

    def _vectors_folder(self, edition: str) -> Path:
        return self._settings.home / "chroma" / edition

    def _current_vectors(self) -> Vectors:
        """The vectors, opened again if another process has written since."""
        generation = self._catalogue.about("generation") or ""
        vectors = self._open_vectors()
        if self._seen_generation not in ("", generation):
            vectors.reopen()
        self._seen_generation = generation
        return vectors


@contextmanager
def temporary_store(settings: Settings) -> Iterator[tuple[Store, Settings]]:
    """An empty store in a home of its own with the models of another one, and the settings of that home."""
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "models").symlink_to(settings.models.resolve())
        there = Settings(home=Path(home), embedding_model=settings.embedding_model)
        with closing(Store(there)) as store:
            yield store, there


def among(parts: Sequence[Chunk], chunk: Chunk) -> Chunk:
    """A chunk and its neighbours among the parts of a section, as one chunk."""
    index = parts.index(chunk)
    return functools.reduce(_joined, parts[max(0, index - NEIGHBOURS) : index + NEIGHBOURS + 1])


def _goes_on(first: Chunk, second: Chunk) -> bool:
    """Whether a chunk goes on with the section of the one before it, and is not another section of the same name."""
    if first.section != second.section:
        return False
    if second.place and second.place.unit == "row":
        return first.place == second.place
    # a section begins with the line of its heading, which its text does not hold
    return second.lines[1] - second.lines[0] == second.text.count("\n")


def _joined(first: Chunk, second: Chunk) -> Chunk:
    """Two chunks that follow one another as one, with as many line ends between them as in the source."""
    before = first.text + ("\n" * (second.lines[0] - first.lines[1]) or " ")
    joined = dataclasses.replace(
        first,
        text=before + second.text,
        lines=(first.lines[0], second.lines[1]),
        links=tuple(dict.fromkeys((*first.links, *second.links))),
    )
    if not first.place or not second.place:
        return joined
    places = (*(first.places or ((0, first.place),)), (len(before), second.place))
    return dataclasses.replace(joined, place=first.place.up_to(second.place), places=places)
