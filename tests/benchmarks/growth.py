"""How the store grows: time for a chunk, time of a search and memory at 1,000, 10,000 and 100,000 chunks."""

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from ingest.writer import Writer
from knowledge.documents import Chunk, Document
from knowledge.settings import Settings
from knowledge.store import Store

_SIZES = (1_000, 10_000, 100_000)
_DIMENSION = 384
_CHUNKS_IN_A_DOCUMENT = 20
_WORDS = 80


class RandomEncoder:
    """Unit vectors without a model, for measuring the store alone."""

    max_tokens = 254

    def __init__(self) -> None:
        self._random = np.random.default_rng(7)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors = self._random.standard_normal((len(texts), _DIMENSION)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def encode_with_tokens(self, texts: Sequence[str]) -> tuple[np.ndarray, list[np.ndarray]]:
        tokens = [self._random.standard_normal((len(text.split()), _DIMENSION)) for text in texts]
        return self.encode(texts), tokens


def growth() -> Iterator[str]:
    """A line for each size; random vectors and words, no encoder."""
    context = multiprocessing.get_context("spawn")
    first = None
    for size in _SIZES:
        pipe, other = context.Pipe()
        process = context.Process(target=_measure, args=(size, other))
        process.start()
        added, searched, memory = pipe.recv()
        process.join()
        first = first or added
        yield (
            f"{size:>7,} chunks: {added / first:.2f} times the time for a chunk at {_SIZES[0]:,}, "
            f"a search {1000 * searched:.1f} ms, {memory / 2**20:.0f} MB of memory in all"
        )


def _measure(size: int, pipe: Connection) -> None:
    random = np.random.default_rng(size)
    with tempfile.TemporaryDirectory() as home:
        store = Store(Settings(home=Path(home)))
        store._encoder = RandomEncoder()  # type: ignore[assignment]
        store.made_with = "random"
        started = time.perf_counter()
        with store.writing():
            writer = Writer(store, None, lambda size, source: None)
            for number in range(size // _CHUNKS_IN_A_DOCUMENT):
                writer.add([_document(number, random)])
            writer.flush()
        added = (time.perf_counter() - started) / size
        queries = [" ".join(f"word{n}" for n in random.integers(0, 20_000, 4)) for _ in range(20)]
        store.search(queries[0], 5)
        started = time.perf_counter()
        for query in queries:
            store.search(query, 5)
        searched = (time.perf_counter() - started) / len(queries)
        store.close()
    unit = 1 if sys.platform == "darwin" else 1024
    pipe.send((added, searched, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit))


def _document(number: int, random: np.random.Generator) -> Document:
    # words as rare and as common as they are in language
    words = np.minimum(random.zipf(1.3, (_CHUNKS_IN_A_DOCUMENT, _WORDS)), 20_000)
    chunks = tuple(
        Chunk(f"{number}.md", "t", (f"Heading {number} {row}",), (row, row), " ".join(f"word{n}" for n in words[row]))
        for row in range(_CHUNKS_IN_A_DOCUMENT)
    )
    return Document(f"{number}.md", "t", "", f"{number}.md", chunks=chunks)
