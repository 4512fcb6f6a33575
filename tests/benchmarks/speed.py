"""Speed, as ratios against a named baseline in the same run."""

import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from chatbot.answer import Assistant
from knowledge.encoder import OnnxEncoder, SentenceTransformersEncoder
from knowledge.ranking import CANDIDATES
from knowledge.settings import DEFAULT_EMBEDDING_MODEL, Settings
from knowledge.store import Store
from knowledge.text import content_words

_RUNS = 5


def cold_search(home: Path) -> str:
    """Wall time of a search in a fresh process, over that of importing sentence-transformers."""
    search = [sys.executable, "-m", "chatbot", "search", "numpy on the graphics card", "--home", str(home)]
    ours, theirs = [], []
    for _ in range(_RUNS):
        ours.append(seconds(lambda: subprocess.run(search, check=True, capture_output=True)))
        theirs.append(
            seconds(lambda: subprocess.run([sys.executable, "-c", "import sentence_transformers"], check=True))
        )
    return ratio("cold `askmynotes search`", ours, "`import sentence_transformers`", theirs)


def one_query(models: Path) -> str:
    """The fast encoder over the reference, one query at a time."""
    folder = models / DEFAULT_EMBEDDING_MODEL
    fast, reference = OnnxEncoder(folder), SentenceTransformersEncoder(str(folder))
    times: dict[str, list[float]] = {"fast": [], "reference": []}
    for number in range(30):
        text = [f"which tool shows drift in production, number {number}?"]
        times["fast"].append(seconds(lambda text=text: fast.encode(text)))
        times["reference"].append(seconds(lambda text=text: reference.encode(text)))
    return ratio("one query, ONNX Runtime", times["fast"][5:], "sentence-transformers", times["reference"][5:])


def search(home: Path, store: Store, questions: list[str]) -> str:
    """A search over its bare parts: the encoder, a query of Chroma and one of SQLite's full-text index, one by one."""
    [index] = (home / "index").glob("*.sqlite")
    edition = sqlite3.connect(index)
    store.search("warm up", 1)
    collection = store._vectors._collection

    def bare(question: str) -> None:
        vector = store.encoder.encode([question])[0]
        collection.query(query_embeddings=[vector], n_results=CANDIDATES, include=["distances"])
        terms = " OR ".join(f'"{word}"' for word in content_words(question))
        edition.execute(
            "SELECT rowid FROM chunks_fts WHERE chunks_fts MATCH ? ORDER BY bm25(chunks_fts) LIMIT ?",
            (terms, CANDIDATES),
        ).fetchall()

    times: dict[str, list[float]] = {"bare": [], "ours": []}
    for question in [*questions[:5], *questions]:  # the first ones warm up
        times["bare"].append(seconds(lambda q=question: bare(q)))
        times["ours"].append(seconds(lambda q=question: store.search(q, 10)))
    edition.close()
    return ratio("a search", times["ours"][5:], "encoder, Chroma and FTS5 alone", times["bare"][5:])


def extract_answer(store: Store, settings: Settings, questions: list[str]) -> str:
    """A whole extract answer over the search inside it."""
    assistant = Assistant(store, settings, "extract")
    assistant.answer("warm up please")
    answers = [seconds(lambda q=q: assistant.answer(q)) for q in questions]
    searches = [seconds(lambda q=q: store.search(q, 10)) for q in questions]
    return ratio("extract answer", answers, "search alone", searches)


def seconds(call: Callable[[], object]) -> float:
    """Wall time of a call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def ratio(name: str, ours: list[float], baseline: str, theirs: list[float]) -> str:
    """A line with the ratio of the medians."""
    ours_median, theirs_median = statistics.median(ours), statistics.median(theirs)
    ratio = ours_median / theirs_median
    return f"{name}: {ratio:.3f} x {baseline}  ({1000 * ours_median:.1f} ms, {1000 * theirs_median:.1f} ms)"
