"""The vectors, in Chroma: one collection of cosine vectors named by what was embedded."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.errors import NotesError, remedy

if TYPE_CHECKING:
    import numpy as np

_COLLECTION = "chunks"
#: How many vectors are kept at hand, 1.5 kB each.
_REMEMBERED = 4096
_PAGE = 5000  # under Chroma's limit of 5,461 records a call, and far under SQLite's of variables


class Remembered:
    """The last few thousand vectors, by what they are of, before a slower way to find them."""

    def __init__(self, find: "Callable[[list[str]], Mapping[str, np.ndarray]]") -> None:
        self._find = find
        self._vectors: dict[str, np.ndarray] = {}

    def __call__(self, keys: Iterable[str]) -> "dict[str, np.ndarray]":
        """The vectors of those of `keys` that are found, each of shape (dimension,)."""
        known = {key: self._vectors.get(key) for key in keys}
        new = [key for key, vector in known.items() if vector is None]
        found = self._find(new) if new else {}
        self._vectors |= found
        for key in list(self._vectors)[:-_REMEMBERED]:
            self._vectors.pop(key, None)
        return {key: vector for key, vector in {**known, **found}.items() if vector is not None}

    def clear(self) -> None:
        self._vectors.clear()


class Vectors:
    """A Chroma collection on disk.

    Chroma's `query` does not see what another process wrote (its `get` does) until the client is closed and opened
    again: the store calls `reopen` when the catalogue says that something changed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # an id names what was embedded, so whoever writes, its vector stays the same
        self._remembered = Remembered(self.copies)
        self._open()

    def _open(self) -> None:
        import chromadb
        from chromadb.config import Settings

        try:
            # _env_file: Chroma would otherwise take settings from a .env file in the working directory
            settings = Settings(_env_file=None, anonymized_telemetry=False, allow_reset=False)  # type: ignore[call-arg]
            self._client: Any = chromadb.PersistentClient(str(self._folder), settings=settings)
            self._collection = self._client.get_or_create_collection(
                _COLLECTION, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
            )
        except Exception as error:  # Chroma's Rust core raises many kinds, most of them bare
            what = remedy(self._folder, "move the folder away and run `askmynotes ingest`")
            raise NotesError(
                f"{self._folder}: the vector store cannot be opened ({_first_line(error)}): {what}"
            ) from error

    def close(self) -> None:
        self._client.close()

    def reopen(self) -> None:
        self.close()
        self._open()

    def put(self, vectors: "dict[str, np.ndarray]") -> None:
        """Store each vector, of shape (dimension,), under its id; equal ids are overwritten."""
        try:
            for ids in _pages(list(vectors)):
                self._collection.upsert(ids=ids, embeddings=[vectors[key] for key in ids])
        except Exception as error:  # Chroma's Rust core raises many kinds, most of them bare
            raise NotesError(
                f"{self._folder}: cannot be written ({_first_line(error)}); what was indexed before is kept"
            ) from error

    def known(self, ids: list[str]) -> set[str]:
        """Those of `ids` that are stored."""
        return {key for page in _pages(ids) for key in self._collection.get(ids=page, include=[])["ids"]}

    def delete(self, ids: list[str]) -> None:
        for page in _pages(ids):
            self._collection.delete(ids=page)

    def ids(self) -> set[str]:
        total = self._collection.count()
        return {
            key
            for offset in range(0, total, _PAGE)
            for key in self._collection.get(limit=_PAGE, offset=offset, include=[])["ids"]
        }

    def nearest(self, vector: "np.ndarray", limit: int, ids: list[str] | None = None) -> list[tuple[str, float]]:
        """Ids and cosines of the vectors nearest to `vector`, best first; only those of `ids` where they are given."""
        from chromadb.errors import ChromaError

        try:
            found: Any = self._collection.query(
                query_embeddings=[vector], ids=ids, n_results=limit, include=["distances"]
            )
        except ChromaError:
            if ids is None:
                raise
            # one of them is not here, as Chroma's `query` takes amiss and its `get` does not
            cosines = self.similarities(vector, ids)
            return sorted(cosines.items(), key=lambda item: -item[1])[:limit]
        return [(key, 1.0 - distance) for key, distance in zip(found["ids"][0], found["distances"][0], strict=True)]

    def similarities(self, vector: "np.ndarray", ids: list[str]) -> dict[str, float]:
        """Cosines of stored unit vectors to `vector`, by id."""
        return {key: float(row @ vector) for key, row in self._remembered(ids).items()}

    def copies(self, ids: list[str]) -> "dict[str, np.ndarray]":
        """The stored vectors of those of `ids` that are here, each of shape (dimension,)."""
        found: dict[str, np.ndarray] = {}
        for page in _pages(ids):
            records: Any = self._collection.get(ids=page, include=["embeddings"])
            found |= dict(zip(records["ids"], records["embeddings"], strict=True))
        return found


def _pages(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _PAGE):
        yield ids[start : start + _PAGE]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
