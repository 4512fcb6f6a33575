"""The vectors, in Chroma: one collection of cosine vectors named by what was embedded."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.errors import NotesError

if TYPE_CHECKING:
    import numpy as np

_PAGE = 5000  # under Chroma's limit of 5,461 records a call, and far under SQLite's of variables


class Vectors:
    """A Chroma collection on disk.

    Chroma's `query` does not see what another process wrote (its `get` does) until the client is closed and opened
    again: the store calls `reopen` when the catalogue says that something changed.
    """

    def __init__(self, folder: Path, collection: str) -> None:
        self._folder = folder
        self._name = collection
        self._open()

    def _open(self) -> None:
        import chromadb
        from chromadb.config import Settings

        try:
            # _env_file: Chroma would otherwise take settings from a .env file in the working directory
            settings = Settings(_env_file=None, anonymized_telemetry=False, allow_reset=False)  # type: ignore[call-arg]
            self._client: Any = chromadb.PersistentClient(str(self._folder), settings=settings)
            self._collection = self._client.get_or_create_collection(
                self._name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
            )
        except Exception as error:  # Chroma's Rust core raises many kinds, most of them bare
            raise NotesError(
                f"{self._folder}: the vector store cannot be opened ({_first_line(error)}): "
                "move the folder away and run `askmynotes ingest`"
            ) from error

    def close(self) -> None:
        self._client.close()

    def reopen(self) -> None:
        self.close()
        self._open()

    def put(self, vectors: "dict[str, np.ndarray]") -> None:
        """Store each vector, of shape (dimension,), under its id; equal ids are overwritten."""
        for ids in _pages(list(vectors)):
            self._collection.upsert(ids=ids, embeddings=[vectors[key] for key in ids])

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

    def nearest(self, vector: "np.ndarray", limit: int) -> list[tuple[str, float]]:
        """Ids and cosines of the vectors nearest to `vector`, best first."""
        found: Any = self._collection.query(query_embeddings=[vector], n_results=limit, include=["distances"])
        return [(key, 1.0 - distance) for key, distance in zip(found["ids"][0], found["distances"][0], strict=True)]

    def similarities(self, vector: "np.ndarray", ids: list[str]) -> dict[str, float]:
        """Cosines of stored unit vectors to `vector`, by id."""
        found: Any = self._collection.get(ids=ids, include=["embeddings"]) if ids else {"ids": [], "embeddings": []}
        return {key: float(row @ vector) for key, row in zip(found["ids"], found["embeddings"], strict=True)}

    def drop_others(self) -> None:
        """Delete every other collection: the ones that another embedding model made."""
        for collection in self._client.list_collections():
            if collection.name != self._name:
                self._client.delete_collection(collection.name)


def _pages(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _PAGE):
        yield ids[start : start + _PAGE]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
