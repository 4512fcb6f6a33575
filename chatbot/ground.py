"""Check what a model wrote against the evidence: a sentence counts only where one unit of the notes supports it."""

import re
from collections.abc import Sequence

from chatbot.evidence import Scored, stem, stems
from knowledge.text import is_stop_word, words

#: Share of a sentence's content words that must stand, in the same order, in the unit that supports it.
SUPPORT = 0.8

_EXACT = re.compile(r"https?://\S+|`[^`]+`|\d+(?:[.,]\d+)*")
_NEGATIONS = frozenset({"no", "not", "never", "none", "without", "cannot", "nor", "neither", "n't"})


def supporting(sentence: str, question: str, evidence: Sequence[Scored]) -> Scored | None:
    """The unit that supports `sentence`, or None.

    Its words must stand in one unit, in the unit's order; numbers, addresses and code exactly; a
    negation on one side only is no support; and it must say more than the question did.
    """
    said = _sequence(sentence)
    if not said or set(said) <= stems(question):
        return None
    best: tuple[float, Scored] | None = None
    for item in evidence:
        text = item.unit.text
        if any(exact.rstrip(".,") not in text for exact in _EXACT.findall(sentence)):
            continue
        if _negations(sentence) != _negations(text):
            continue
        share = _common_in_order(said, _sequence(text)) / len(said)
        if share >= SUPPORT and (best is None or share > best[0]):
            best = (share, item)
    return best[1] if best else None


def _sequence(text: str) -> list[str]:
    return [stem(word) for word in words(text) if not is_stop_word(word)]


def _negations(text: str) -> int:
    found = words(text)
    return sum(word in _NEGATIONS or word.endswith("n't") for word in found) % 2


def _common_in_order(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(right) + 1)
    for word in left:
        diagonal = 0
        for index, other in enumerate(right, start=1):
            diagonal, row[index] = row[index], diagonal + 1 if word == other else max(row[index], row[index - 1])
    return row[-1]
