"""Finding the right section: dense, full-text and fused rankings over the same questions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chatbot.evaluate import DEPTH, Question, sections
from knowledge.documents import Hit
from knowledge.store import Store


@dataclass(frozen=True)
class Row:
    """Shares of the questions whose section stands first, or among three, and the mean reciprocal rank to ten."""

    name: str
    hit_at_1: float
    hit_at_3: float
    mrr: float

    def __str__(self) -> str:
        return f"{self.name:24} hit@1 {self.hit_at_1:.3f}  hit@3 {self.hit_at_3:.3f}  MRR@10 {self.mrr:.3f}"


def compare(store: Store, questions: Sequence[dict]) -> list[Row]:
    """One row a ranking."""
    return [_measure(name, rank, questions) for name, rank in rankings(store).items()]


def rankings(store: Store) -> dict[str, Callable[[str], list[Hit]]]:
    """What is compared; "fused" is what is used, the last the fusion that hybrid retrieval usually starts from."""
    return {
        "dense": store.rank_dense,
        "full-text": store.rank_sparse,
        "fused": lambda query: store.search(query, 4 * DEPTH),
        "without late interaction": lambda query: by_cosine_and_coverage(store.search(query, 4 * DEPTH)),
        "fused by rank (RRF 60)": lambda query: by_reciprocal_rank(store.rank_dense(query), store.rank_sparse(query)),
    }


def _measure(name: str, rank: Callable[[str], list[Hit]], questions: Sequence[dict]) -> Row:
    ranks = [_rank_of(entry["section"], rank(entry["q"])) for entry in questions]
    return Row(
        name,
        sum(rank == 1 for rank in ranks) / len(ranks),
        sum(rank is not None and rank <= 3 for rank in ranks) / len(ranks),
        sum(1 / rank for rank in ranks if rank) / len(ranks),
    )


def _rank_of(section: str, hits: Sequence[Hit]) -> int | None:
    """The rank of the wanted section (alternatives joined by `|`); parts of a section count once."""
    wanted = Question("", section=section)
    ranked = enumerate(sections(hits)[:DEPTH], start=1)
    return next((rank for rank, hit in ranked if wanted.is_wanted(hit.chunk)), None)


def by_cosine_and_coverage(hits: Sequence[Hit]) -> list[Hit]:
    """What the fusion is before the best are read again word by word."""
    return sorted(hits, key=lambda hit: -(hit.similarity + hit.coverage))


def by_reciprocal_rank(dense: Sequence[Hit], sparse: Sequence[Hit], k: int = 60) -> list[Hit]:
    """Cormack, Clarke and Büttcher, SIGIR 2009: the baseline of hybrid retrieval."""
    scores: dict[tuple[str, tuple[int, int]], float] = {}
    hits: dict[tuple[str, tuple[int, int]], Hit] = {}
    for ranking in (dense, sparse):
        for rank, hit in enumerate(ranking, start=1):
            key = (hit.chunk.source, hit.chunk.lines)
            hits[key] = hit
            scores[key] = scores.get(key, 0) + 1 / (k + rank)
    return [hits[key] for key in sorted(scores, key=lambda key: -scores[key])]
