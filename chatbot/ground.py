"""Check what a model wrote against the evidence: a sentence counts only where one unit of the notes supports it."""

import re
from collections.abc import Sequence

from knowledge.evidence import Unit, stem, stems
from knowledge.text import breaks_off, formula_spans, is_stop_word, words

#: Share of a sentence's content words that must stand, in the same order, in the unit that supports it.
SUPPORT = 0.8

_EXACT = re.compile(r"https?://\S+|`[^`]+`|\d+(?:[.,]\d+)*")
_NEGATIONS = frozenset({"no", "not", "never", "none", "without", "cannot", "nor", "neither", "n't"})


def supporting(sentence: str, question: str, evidence: Sequence[Unit]) -> tuple[Unit | None, str]:
    """The unit that supports `sentence`, or None; and why there is none.

    Its words must stand in one unit, in the unit's order; numbers, addresses and code exactly; a negation on one side
    only is no support, unless the question has it too; and it must say more than the question did. Of units that
    support it as well, the first counts.
    """
    said = _sequence(sentence)
    if not said or set(said) <= stems(question):
        return None, "it says nothing that the question did not"
    if breaks_off(sentence) and any(formula_spans(unit.text) for unit in evidence):
        return None, "it breaks off inside a formula"
    exact = [found.rstrip(".,") for found in _EXACT.findall(sentence)]
    for each in exact:
        if not any(each in unit.text for unit in evidence):
            return None, f"{each} stands in none of the sentences chosen from the notes"
    shares = {
        unit: _common_in_order(said, _sequence(unit.text)) / len(said)
        for unit in evidence
        if all(each in unit.text for each in exact)
    }
    near = [unit for unit, share in shares.items() if share >= SUPPORT]
    denials = {_negations(sentence), (_negations(sentence) + _negations(question)) % 2}
    agreeing = [unit for unit in near if _negations(unit.text) in denials]
    if agreeing:
        return max(agreeing, key=lambda unit: shares[unit]), ""
    if near:
        return None, "it denies what the notes say" if _negations(sentence) else "the notes deny it"
    return None, "its words do not stand together in one of the sentences chosen from the notes"


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
