"""Decide whether the notes answer a question, from how well they match it; and train that decision.

Neither the best cosine nor the best BM25 score tells it alone, so a logistic regression reads a few figures of the
ranking. Its weights (`answerable/weights.json`) are learnt from eight small collections of notes that belong to
nobody, with questions that they answer, nearly answer and do not touch. `python -m chatbot.decide` trains it anew.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.answer_type import asked_type
from knowledge.documents import Hit
from knowledge.evidence import Evidence, gather, stems
from knowledge.query import parse
from knowledge.settings import Settings, load_settings
from knowledge.store import Store, temporary_store
from knowledge.text import words

if TYPE_CHECKING:
    import numpy as np

DATA = Path(__file__).resolve().parent / "answerable"
WEIGHTS = DATA / "weights.json"

#: The figures, each with the sign that its weight may have: a better match never argues for a refusal. Without that
#: the training learns from its near misses, which name what the notes hold, to distrust a heading that fits.
FEATURES = {
    "best cosine": 1,
    "lead of the best cosine": 1,
    "best unit of the first section": 1,
    "words of the question met least by the first section": 1,
    "log of the number of words": 0,
    "log of the length of the first section": 0,
    "price, time, number or name missing from the first section": -1,
}


#: So many sections behind the best one does it stand out from.
_NEXT = 5


@dataclass(frozen=True)
class Figure:
    """One of FEATURES: its value for a question, and its weight in the sum that the probability is made of."""

    name: str
    value: float
    weight: float


@dataclass(frozen=True)
class Decision:
    """`probability` that the notes answer: the logistic function of the figures times their weights, added up. They do
    where it reaches the threshold."""

    probability: float
    threshold: float
    figures: tuple[Figure, ...]

    @property
    def answerable(self) -> bool:
        return self.probability >= self.threshold


class Decider:
    """Reads the trained weights once."""

    def __init__(self, path: Path = WEIGHTS) -> None:
        trained = json.loads(path.read_text(encoding="utf-8"))
        self._weights: list[float] = [trained["weights"][name] for name in FEATURES]
        self._bias: float = trained["bias"]
        self._threshold: float = trained["threshold"]

    def decide(self, features: Sequence[float]) -> Decision:
        figures = tuple(Figure(*each) for each in zip(FEATURES, features, self._weights, strict=True))
        figures += (Figure("constant", 1.0, self._bias),)
        logit = sum(figure.weight * figure.value for figure in figures)
        return Decision(1 / (1 + math.exp(-logit)), self._threshold, figures)


def features(question: str, evidence: Evidence, store: Store) -> list[float]:
    """The figures named in FEATURES, for evidence with at least one hit."""
    topic = parse(question).topic
    first = evidence.sections[0]
    asked = asked_type(topic)
    return [
        *_best_cosine(evidence.hits),
        max((item.score for item in evidence.scored if item.unit.chunk == first.chunk), default=first.score),
        max(hit.least_met for hit in evidence.hits if first.chunk.holds(hit.chunk)),
        math.log(1 + len(stems(topic))),
        math.log(1 + len(words(first.chunk.text))),
        float(asked is not None and not asked.is_in(first.chunk, topic)),
    ]


def _best_cosine(hits: Sequence[Hit]) -> tuple[float, float]:
    """The cosine of the best section, and how far it stands above the mean of the next ones, copies left out."""
    best: dict[object, float] = {}
    for hit in {hit.chunk.text: hit for hit in reversed(hits)}.values():
        best[hit.chunk.section] = max(hit.similarity, best.get(hit.chunk.section, -1.0))
    first, *others = sorted(best.values(), reverse=True)[: 1 + _NEXT]
    return first, first - sum(others) / max(1, len(others))


# -- training ------------------------------------------------------------------------------------------------------

#: Share of answerable questions that may be refused at the operating point.
FALSE_REFUSALS = 0.04
#: How strongly weights are kept small, of figures and of what is either there or missing. Eight collections tell little
#: about a ninth: without this the figure that fits them best decides alone (tests/benchmarks/README.md).
_RIDGE, _RIDGE_OF_EITHER = 100.0, 1.0


def examples(settings: Settings) -> Iterator[tuple[str, str, list[float]]]:
    """For every question of the training collections: the collection, "answerable" | "near" | "far", the features."""
    from ingest.pipeline import ingest

    for notes in sorted(DATA.glob("*.md")):
        with temporary_store(settings) as (store, there):
            ingest(store, there, [notes])
            for line in notes.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                evidence = gather(entry["q"], store)
                yield notes.stem, entry["kind"], features(entry["q"], evidence, store)


def train(rows: Sequence[tuple[str, str, list[float]]]) -> dict[str, object]:
    """Weights for raw features, the threshold, and what to expect at it on notes that were not trained on.

    The threshold and the figures come from leaving out one collection at a time.
    """
    import numpy as np

    collections = np.array([collection for collection, _, _ in rows])
    kinds = np.array([kind for _, kind, _ in rows])
    values = np.array([figures for _, _, figures in rows])
    held_out = np.zeros(len(rows))
    for collection in np.unique(collections):
        inside = collections == collection
        weights, bias = _fit(values[~inside], kinds[~inside] == "answerable")
        held_out[inside] = 1 / (1 + np.exp(-(values[inside] @ weights + bias)))
    threshold = float(np.quantile(held_out[kinds == "answerable"], FALSE_REFUSALS))
    weights, bias = _fit(values, kinds == "answerable")
    refused = held_out < threshold
    answerable = kinds == "answerable"
    return {
        "weights": {name: round(float(weight), 4) for name, weight in zip(FEATURES, weights, strict=True)},
        "bias": round(bias, 4),
        "threshold": round(threshold, 4),
        "held_out": {
            "questions": len(rows),
            "answered_of_answerable": round(float(np.mean(~refused[answerable])), 3),
            "refused_of_near_misses": round(float(np.mean(refused[kinds == "near"])), 3),
            "refused_of_unrelated": round(float(np.mean(refused[kinds == "far"])), 3),
            "precision_of_answers": round(float(np.mean(answerable[~refused])), 3),
        },
    }


def _fit(values: "np.ndarray", answerable: "np.ndarray") -> tuple["np.ndarray", float]:
    """Logistic regression on standardised features with bounded signs; its weights given back for raw features."""
    import numpy as np
    from scipy.optimize import minimize

    mean, scale = values.mean(0), values.std(0) + 1e-9
    standard = (values - mean) / scale
    side = np.where(answerable, 1.0, -1.0)
    ridge = np.where(np.isin(values, (0, 1)).all(0), _RIDGE_OF_EITHER, _RIDGE)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = parameters[:-1], parameters[-1]
        margins = side * (standard @ weights + bias)
        slope = -side / (1 + np.exp(margins))
        value = np.logaddexp(0, -margins).sum() + 0.5 * ridge @ weights**2
        return value, np.append(standard.T @ slope + ridge * weights, slope.sum())

    bounds = [{1: (0, None), -1: (None, 0), 0: (None, None)}[sign] for sign in FEATURES.values()]
    fitted = minimize(loss, np.zeros(len(bounds) + 1), jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)])
    weights = fitted.x[:-1] / scale
    return weights, float(fitted.x[-1] - weights @ mean)


def main() -> None:
    trained = train(list(examples(load_settings())))
    WEIGHTS.write_text(json.dumps(trained, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(trained["held_out"], indent=1))  # noqa: T201  the result of the command


if __name__ == "__main__":
    main()
