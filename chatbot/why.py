"""Why an answer is what it is: the question as it was asked, what was looked at, the decision, and what was removed.

The terminal and the page lay it out; the words and the figures that both show are made here.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from chatbot.decide import Decision, Figure
from knowledge.documents import Hit

if TYPE_CHECKING:
    from chatbot.answer import Answer

#: What is told of each figure of the decision.
FIGURE_COLUMNS = ("seen by the decision", "value", "weight")
#: What `row` tells of a candidate, and what that means.
COLUMNS = ("score", "meaning", "rank", "words", "rank", "late")
LEGEND = (
    "meaning: cosine of the embeddings; words: share of the best possible BM25 score, each with the rank in its own "
    "ranking; late: late interaction, word against word; score: what all were ranked by."
)


@dataclass(frozen=True)
class Removed:
    """A sentence of the language model that was not shown, and the reason."""

    sentence: str
    reason: str


@dataclass(frozen=True)
class Why:
    """How an answer came about. There is no decision where the notes were not searched or nothing was found."""

    #: the question as the notes were searched for it: with its topic, where it leans on the conversation
    asked: str = ""
    #: the chunks that were looked at, best first
    candidates: tuple[Hit, ...] = ()
    decision: Decision | None = None
    removed: tuple[Removed, ...] = ()
    #: what the language model wrote, unchecked
    reply: str = ""

    def as_dict(self) -> dict[str, object]:
        return {
            "asked": self.asked,
            "candidates": list(map(_candidate, self.candidates)),
            "decision": self.decision and {"answerable": self.decision.answerable, **asdict(self.decision)},
            "removed": list(map(asdict, self.removed)),
            "reply": self.reply,
        }


def _candidate(hit: Hit) -> dict[str, object]:
    return {
        "heading_path": list(hit.chunk.heading_path),
        "source": hit.chunk.source,
        "lines": list(hit.chunk.lines),
        "place": str(hit.chunk.place) if hit.chunk.place else None,
        "score": round(hit.score, 4),
        "cosine": round(hit.similarity, 4),
        "dense_rank": hit.dense_rank,
        "coverage": round(hit.coverage, 4),
        "sparse_rank": hit.sparse_rank,
        "late_interaction": round(hit.token_similarity, 4),
        "reranker": round(hit.relevance, 4),
    }


def row(hit: Hit) -> tuple[str, ...]:
    """The figures of a candidate, as COLUMNS names them."""
    ranks = ["–" if rank is None else str(rank) for rank in (hit.dense_rank, hit.sparse_rank)]
    score, meaning, covered, late = (
        f"{figure:.2f}" for figure in (hit.score, hit.similarity, hit.coverage, hit.token_similarity)
    )
    return score, meaning, ranks[0], covered, ranks[1], late


def figure_row(figure: Figure) -> tuple[str, ...]:
    """A figure of the decision, as FIGURE_COLUMNS names it."""
    return figure.name, f"{figure.value:.2f}", f"{figure.weight:+.2f}"


def summary(answer: "Answer") -> dict[str, str]:
    """The main points in words: what was asked, decided and written, and when."""
    return {
        "Asked": answer.why.asked,
        "Decided": _decided(answer),
        **({"Written": _written(answer)} if answer.route == "notes" else {}),
        "Times": _times(answer),
    }


def _decided(answer: "Answer") -> str:
    if answer.intent:
        return f"this is small talk ({answer.intent}); the notes were not searched"
    decision = answer.why.decision
    if decision is None:
        return "there was nothing to decide on"
    verdict = "the notes answer this" if decision.answerable else "the notes do not answer this"
    return f"{verdict}: probability {decision.probability:.2f}, and {decision.threshold:.2f} is needed"


def _written(answer: "Answer") -> str:
    who = "quoted from the notes" if answer.engine == "extract" else f"by {answer.engine}, beside quotes from the notes"
    count = len(answer.why.removed)
    removed = f"; {count} sentence{'s' if count > 1 else ''} of a language model removed" if count else ""
    return who + removed


def _times(answer: "Answer") -> str:
    happened = {
        "retrieve": "searched" if answer.why.candidates else "",
        "first_token": "first words" if answer.route == "notes" else "",
        "total": "done",
    }
    times = answer.timings_ms
    return ", ".join(
        f"{words} after {times[name]:.0f} ms" for name, words in happened.items() if words and name in times
    )
