"""Retrieval on public sets: SQuAD 2.0 paragraphs and Cranfield, from a folder that holds them."""

import json
import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.pipeline import ingest
from knowledge.documents import Hit
from knowledge.store import Store
from tests.benchmarks.retrieval import compare, rankings
from tests.conftest import make_settings

_QUESTIONS = 800
_DEPTH = 10
#: The articles that the shipped adapters were not trained on.
_UNSEEN = ("Steam_engine", "Immune_system", "Warsaw")


def squad(data: Path, models: Path) -> Iterator[str]:
    """Which paragraph answers? Each paragraph is a section; answerable questions on _UNSEEN, 800 at most."""
    sections, questions = [], []
    for article in json.loads((data / "squad2_16_articles.json").read_text(encoding="utf-8"))["data"]:
        for number, paragraph in enumerate(article["paragraphs"]):
            heading = f"{article['title'].replace('_', ' ')} {number}"
            sections.append(f"## {heading}\n\n{_on_one_line(paragraph['context'])}\n")
            answerable = (entry for entry in paragraph["qas"] if not entry.get("is_impossible"))
            if article["title"] in _UNSEEN:
                questions += [{"q": entry["question"], "section": heading} for entry in answerable]
    step = max(1, len(questions) // _QUESTIONS)
    asked = questions[::step][:_QUESTIONS]
    with _indexed(sections, models) as store:
        yield f"{len(asked)} questions over {len(sections)} SQuAD paragraphs"
        yield from map(str, compare(store, asked))


def cranfield(data: Path, models: Path) -> Iterator[str]:
    """Ranking abstracts: nDCG@10 with graded relevance."""
    text = (data / "cranfield.docs").read_text(encoding="utf-8")
    documents = re.findall(r"\.I (\d+)\n\.T\n(.*?)\n\.A\n.*?\.W\n(.*?)(?=\n\.I |\Z)", text, re.DOTALL)
    sections = [f"## D{n} {_on_one_line(title)}\n\n{_on_one_line(body) or '-'}\n" for n, title, body in documents]
    text = (data / "cranfield.queries").read_text(encoding="utf-8")
    queries = [_on_one_line(query) for query in re.findall(r"\.W\n(.*?)(?=\n\.I |\Z)", text, re.DOTALL)]
    relevant: dict[int, dict[str, int]] = {}
    for line in (data / "cranfield.qrels").read_text(encoding="utf-8").splitlines():
        query, document, grade = line.split()[:3]
        if 1 <= int(grade) <= 4:  # 1 is best
            relevant.setdefault(int(query), {})[f"D{document}"] = 5 - int(grade)
    with _indexed(sections, models) as store:
        yield f"{len(queries)} queries over {len(sections)} Cranfield abstracts"
        for name, rank in rankings(store).items():
            gains = [_ndcg(rank(query), relevant.get(n, {})) for n, query in enumerate(queries, start=1)]
            yield f"{name:24} nDCG@10 {sum(gains) / len(gains):.3f}"


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _ndcg(hits: Sequence[Hit], grades: dict[str, int]) -> float:
    found = list(dict.fromkeys(hit.chunk.heading_path[-1].split()[0] for hit in hits))[:_DEPTH]
    best = sorted(grades.values(), reverse=True)[:_DEPTH]
    ideal = sum(grade / math.log2(place + 2) for place, grade in enumerate(best))
    gained = sum(grades.get(document, 0) / math.log2(place + 2) for place, document in enumerate(found))
    return gained / ideal if ideal else 0.0


class _indexed:
    """A store over sections, in a home of its own, for the time of a `with` block."""

    def __init__(self, sections: Sequence[str], models: Path) -> None:
        self._folder = tempfile.TemporaryDirectory()
        notes = Path(self._folder.name) / "notes.md"
        notes.write_text("\n".join(sections), encoding="utf-8")
        settings = make_settings(Path(self._folder.name) / "home", models)
        self._store = Store(settings)
        ingest(self._store, settings, [notes])

    def __enter__(self) -> Store:
        return self._store

    def __exit__(self, *details: object) -> None:
        self._store.close()
        self._folder.cleanup()
