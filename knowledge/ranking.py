"""The ranking of chunks for a query, by their rows in the catalogue: what is shown is read for the best alone."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from knowledge.catalogue import Catalogue
from knowledge.vectors import Vectors

if TYPE_CHECKING:
    import numpy as np

#: How many chunks each ranking hands to the fusion.
CANDIDATES = 50
#: How much the figure of late interaction weighs beside the cosine and the coverage, which weigh 1 each. Chosen on the
#: collections in `answerable/` and the questions over the shipped notes; between 1 and 3 little changes.
_LATE_WEIGHT = 2
#: What is left of the score of a passage in which the reranker, where one is set, finds nothing. It is a factor, so
#: that one that finds all alike changes nothing: neither the ranking nor how near the others come to the best.
_LEFT_BY_RERANKER = 0.25
#: The chunks that filters let through (`Catalogue.within`); None for all.
Within = Mapping[str, list[int]] | None


@dataclass
class Candidate:
    """A chunk under consideration: its row, the vector it stands for, and the figures that `Hit` describes."""

    row: int
    vector_id: str
    similarity: float = 0.0
    coverage: float = 0.0
    token_similarity: float = 0.0
    least_met: float = 0.0
    relevance: float | None = None
    dense_rank: int | None = None
    sparse_rank: int | None = None

    @property
    def score(self) -> float:
        """The weighted mean of the three figures, times that of the reranker where one is set.

        Cosine and coverage are added, both of which say how good a match is and not only that it is better than the
        next: with few or terse notes the best of a ranking is often no match at all, and fusing by rank alone then
        loses to one ranking by itself (tests/benchmarks/README.md has the figures).
        """
        score = (self.similarity + self.coverage + _LATE_WEIGHT * self.token_similarity) / (2 + _LATE_WEIGHT)
        return (
            score if self.relevance is None else score * (_LEFT_BY_RERANKER + (1 - _LEFT_BY_RERANKER) * self.relevance)
        )


def by_meaning(vector: "np.ndarray", within: Within, catalogue: Catalogue, vectors: Vectors) -> list[Candidate]:
    """The chunks of the CANDIDATES embeddings nearest to the query's, best first; of equal ones so many at most."""
    near = vectors.nearest(vector, CANDIDATES, None if within is None else list(within))
    rows = _rows_of([vector_id for vector_id, _ in near], within, catalogue)
    found = [Candidate(row, vector_id, cosine) for vector_id, cosine in near for row in rows[vector_id]]
    for rank, candidate in enumerate(found, start=1):
        candidate.dense_rank = rank
    return found


def by_words(text: str, within: Within, catalogue: Catalogue, beside: Collection[int] = ()) -> list[Candidate]:
    """Up to CANDIDATES chunks by BM25 over headings and text, best first, and behind them, unranked, those of the rows
    in `beside` that are not among them."""
    rows = None if within is None else [row for ids in within.values() for row in ids]
    covered = dict(catalogue.match(text, CANDIDATES, rows))
    ranks = {row: rank for rank, row in enumerate(covered, start=1)}
    others = [row for row in beside if row not in covered]
    if others:
        covered |= dict.fromkeys(others, 0.0) | dict(catalogue.match(text, len(others), others))
    vector_ids = catalogue.vectors_of_chunks(covered)
    return [
        Candidate(row, vector_ids[row], coverage=coverage, sparse_rank=ranks.get(row))
        for row, coverage in covered.items()
        if row in vector_ids
    ]


def fused(
    dense: Sequence[Candidate],
    sparse: Sequence[Candidate],
    vector: "np.ndarray",
    within: Within,
    catalogue: Catalogue,
    vectors: Vectors,
) -> list[Candidate]:
    """Both rankings as one, best first; what is in one of them alone has the figures of the other as far as they are
    cheap: the cosine."""
    found = {candidate.row: candidate for candidate in dense}
    far = {candidate.vector_id for candidate in sparse} - {candidate.vector_id for candidate in dense}
    cosines = vectors.similarities(vector, sorted(far))
    for vector_id, rows in _rows_of(list(cosines), within, catalogue).items():
        found |= {row: Candidate(row, vector_id, cosines[vector_id]) for row in rows}
    for candidate in sparse:
        known = found.setdefault(candidate.row, candidate)
        known.coverage, known.sparse_rank = candidate.coverage, candidate.sparse_rank
    return best_first(found.values())


def best_first(candidates: Iterable[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda each: (-each.score, -each.similarity))


def split(candidates: Sequence[Candidate], most: int, kept: Collection[int]) -> tuple[list[Candidate], list[Candidate]]:
    """The first `most` and those of the rows in `kept`, and the others, each in their order."""
    first = [each for place, each in enumerate(candidates) if place < most or each.row in kept]
    return first, [each for each in candidates[most:] if each.row not in kept]


def _rows_of(vector_ids: list[str], within: Within, catalogue: Catalogue) -> Mapping[str, list[int]]:
    """The chunks that vectors stand for, of each CANDIDATES at most."""
    if within is None:
        return catalogue.chunk_ids_of_vectors(vector_ids, CANDIDATES)
    return {vector_id: within.get(vector_id, [])[:CANDIDATES] for vector_id in vector_ids}
