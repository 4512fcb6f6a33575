"""Check what a model wrote against the evidence: a sentence counts only where one unit of the notes supports it.

There is no second language model: a unit supports a sentence that has its words in its order, or most of them in
another one and the same meaning by the embeddings, and that says nothing else where the unit says something. A unit
speaks of what its heading names: that may stand in the sentence too, or be all of it.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from knowledge.evidence import Unit, stem, stems
from knowledge.text import WORD, breaks_off, formula_spans, is_stop_word, meaningful_words, words

#: The share of a sentence's content words that must stand in a unit in the same order ...
_IN_ORDER = 0.8
#: ... or in any order, with the cosine that their embeddings must have at least (tests/benchmarks/README.md).
_PARAPHRASED = ((0.8, 0.55), (0.6, 0.8))

_AMOUNT = r"\d+(?:[.,:]\d+)*"
#: With the letters and hyphens written before it, without which it is another one: "-18", "5W-30", "pine-tree-42".
_NUMBER = re.compile(rf"(?:[^\W_]|[-−]){{0,40}}{_AMOUNT}")
_EXACT = re.compile(rf"https?://\S+|`[^`]+`|[$€£¥₹]?{_AMOUNT}")
_LEAD_IN = re.compile(
    r"(?:yes|no), |(?:according to|based on|in) (?:your|my|the) notes?,? "
    r"|(?:your|the) notes? (?:say|state|mention)s? (?:that )?",
    re.I,
)
_POSSESSIVE = re.compile(r"['’]s$")
_CLAUSE_END = re.compile(r"[,;:.!?()–—]")
_SENTENCE_ENDS = tuple('.!?…:"”“»')
_NEGATIONS = frozenset({"no", "not", "never", "none", "without", "cannot", "nor", "neither", "n't"})
#: Function words that make another statement of the same other words.
_DIRECTIONS = frozenset("above after before below fewer first last least less more most only over under until".split())
_APART = "its words do not stand together in one of the sentences chosen from the notes"


def supporting(
    sentence: str, question: str, evidence: Sequence[Unit], similarity: Callable[[str, str], float]
) -> tuple[Unit | None, str]:
    """The unit that supports `sentence`, or None; and why there is none. `similarity` is the cosine of two texts.

    Numbers, addresses, code and names must stand in the unit or its heading, and a denial on one side only is no
    support; a name and a denial may come from the question. The sentence must say more than the question did. Of units
    that support it as well, those of the first section count, and of these the one with most of the question.
    """
    sentence = sentence[lead_in.end() :] if (lead_in := _LEAD_IN.match(sentence)) else sentence
    content = _content(sentence)
    if not content or stems(question).issuperset(map(stem, content)):
        return None, "it says nothing that the question did not"
    if breaks_off(sentence) and any(formula_spans(unit.text) for unit in evidence):
        return None, "it breaks off inside a formula"
    judged = [
        (_share(_beyond_heading(content, unit), unit), _objection(sentence, question, unit, evidence, similarity))
        for unit in evidence
    ]
    supports = [(share, unit) for (share, objection), unit in zip(judged, evidence, strict=True) if not objection]
    if supports:
        best, first = max(supports, key=lambda each: each[0])
        as_good = [unit for share, unit in supports if share == best and unit.chunk == first.chunk]
        return max(as_good, key=lambda unit: len(stems(unit.text) & stems(question))), ""
    nearest = max(judged, key=lambda each: each[0], default=(0.0, _APART))
    return None, nearest[1] if nearest[0] else _APART


def _objection(
    sentence: str, question: str, unit: Unit, evidence: Sequence[Unit], similarity: Callable[[str, str], float]
) -> str:
    """Why the unit does not support the sentence; empty where it does."""
    return (
        _denial(sentence, question, unit)
        or _strange_detail(sentence, question, unit, evidence)
        or _other_item(sentence, question, unit, evidence)
        or _other_statement(sentence, unit, similarity)
    )


def _denial(sentence: str, question: str, unit: Unit) -> str:
    denies = _denials(sentence)
    if _denials(_compared(unit.text, _sequence(sentence))) in {denies, denies + _denials(question)}:
        return ""
    return "it denies what the notes say" if denies else "the notes deny it"


def _strange_detail(sentence: str, question: str, unit: Unit, evidence: Sequence[Unit]) -> str:
    """What the sentence says that the unit does not: a number, an address, code, a name, a direction, or a word of
    another unit, where two are made into one."""
    said_there = _with_heading(unit)
    known = {*_sequence(said_there), *_sequence(question)}
    exact = [found.rstrip(".,") for found in _EXACT.findall(sentence)]
    if unit.kind == "code":  # nothing inside marks it as what it is
        exact = [each.strip("`") for each in exact]
    missing = [each for each in exact if each not in said_there]
    missing += [name for name in _names(sentence) if not known.issuperset(_sequence(name))]
    missing += _DIRECTIONS.intersection(words(sentence)).difference(words(unit.text), words(question))
    for each in missing:
        if not any(each.lower() in _with_heading(other).lower() for other in evidence):
            return f"{each} stands in none of the sentences chosen from the notes"
    elsewhere = {word for other in evidence for word in _sequence(other.text)} - known
    if missing or not elsewhere.isdisjoint(_sequence(sentence)):
        return _APART
    if not _is_within(_NUMBER.findall(sentence.lower()), _NUMBER.findall(said_there.lower())):
        return "its numbers are cut, or in another order than in the notes"
    return ""


def _other_item(sentence: str, question: str, unit: Unit, evidence: Sequence[Unit]) -> str:
    """Which item of the same list or table is asked for rather than this one, where the sentence says nothing of what
    was asked, as a bare number: one that has all the words of the question that this one has, and more."""
    asked = stems(question)
    if not _speaks_for_itself(unit) or not asked.isdisjoint(stems(sentence)):
        return ""
    met = asked & stems(unit.text)
    beside = (other for other in evidence if other.chunk == unit.chunk and _speaks_for_itself(other))
    nearer = next((other for other in beside if met < asked & stems(other.text)), None)
    return f"“{nearer.said}” is nearer to what was asked" if nearer else ""


def _speaks_for_itself(unit: Unit) -> bool:
    """Whether it is an item, a row or a line of quick notes: what stands behind a sentence may go on with it, and what
    stands below a quotation may say whose it is."""
    return unit.kind == "item" or (unit.kind == "sentence" and not unit.text.endswith(_SENTENCE_ENDS))


def _other_statement(sentence: str, unit: Unit, similarity: Callable[[str, str], float]) -> str:
    """Why the words that both have do not say the same."""
    said, there = _beyond_heading(_content(sentence), unit), _content(unit.text)
    common = _common_in_order(list(map(stem, said)), list(map(stem, there)))
    if replaced := _replaced(len(said), len(there), common):
        both = zip((said, there), replaced, strict=True)
        return "where it says “{}”, the notes say “{}”".format(*(" ".join(content[at]) for content, at in both))
    if len(common) >= _IN_ORDER * len(said):
        return ""
    beyond = [word for word in said if stem(word) not in _sequence(_heading(unit))]
    shares = [(least, cosine) for least, cosine in _PARAPHRASED if _share(beyond, unit) >= least]
    in_full = f"{_heading(unit)}: {unit.said}"
    is_paraphrase = shares and similarity(sentence, in_full) >= min(cosine for _, cosine in shares)
    return "" if is_paraphrase else _APART


def _is_within(few: Sequence[str], many: Sequence[str]) -> bool:
    """Whether these stand among the others in the same order."""
    rest = iter(many)
    return all(each in rest for each in few)


def _content(text: str) -> list[str]:
    """The words that carry meaning, in order."""
    return [_POSSESSIVE.sub("", word) for word in meaningful_words(text)]


def _sequence(text: str) -> list[str]:
    return list(map(stem, _content(text)))


def _heading(unit: Unit) -> str:
    return unit.chunk.heading_path[-1]


def _with_heading(unit: Unit) -> str:
    return f"{_heading(unit)}\n{unit.text}"


def _beyond_heading(content: list[str], unit: Unit) -> list[str]:
    """The words of a sentence but for what the unit need not say: all, where they stand so in its heading, and else
    those that are the heading, where it does not say them."""
    said, heading, there = list(map(stem, content)), _sequence(_heading(unit)), _sequence(unit.text)
    if _place(said, heading) is not None:
        return []
    place = None if set(heading) <= set(there) else _place(heading, said)
    return content if place is None else content[:place] + content[place + len(heading) :]


def _place(few: list[str], many: list[str]) -> int | None:
    """Where these stand among the others, one behind the other; None where they do not."""
    places = range(len(many) - len(few) + 1)
    return next((at for at in places if few and many[at : at + len(few)] == few), None)


def _share(content: Sequence[str], unit: Unit) -> float:
    there = _sequence(unit.text)
    return sum(stem(word) in there for word in content) / len(content) if content else 1.0


def _names(sentence: str) -> list[str]:
    """Words with a capital, the first one too: it may be a name, and a model seldom begins with a word of its own."""
    found = (match.group() for match in WORD.finditer(sentence))
    return [word for word in found if word[0].isupper() and not is_stop_word(word.lower())]


def _compared(text: str, said: Sequence[str]) -> str:
    """The stretch of a text that a sentence speaks of: from the clause of the first word in common to the last one."""
    common = [found for found in WORD.finditer(text) if stem(_POSSESSIVE.sub("", found.group().lower())) in said]
    if not common:
        return ""
    ends = [end.end() for end in _CLAUSE_END.finditer(text, 0, common[0].start())]
    return text[ends[-1] if ends else 0 : common[-1].end()]


def _denials(text: str) -> int:
    """How many negations a text has."""
    return sum(word in _NEGATIONS or word.endswith("n't") for word in words(text))


def _replaced(said: int, there: int, common: Sequence[tuple[int, int]]) -> tuple[slice, slice] | None:
    """Where, in so many words of a sentence and of a unit, one says something in place of the other: between two words
    in common, or one word for one word before the first of them or behind the last."""
    for before, after in pairwise([(-1, -1), *common, (said, there)]):
        ours, theirs = slice(before[0] + 1, after[0]), slice(before[1] + 1, after[1])
        lengths = after[0] - before[0] - 1, after[1] - before[1] - 1
        is_inside = before in common and after in common
        if all(lengths) and (is_inside or lengths == (1, 1)):
            return ours, theirs
    return None


def _common_in_order(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """The places, on the left and on the right, of a longest common subsequence."""
    lengths = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in reversed(range(len(left))):
        for j in reversed(range(len(right))):
            same = left[i] == right[j]
            lengths[i][j] = lengths[i + 1][j + 1] + 1 if same else max(lengths[i + 1][j], lengths[i][j + 1])
    common, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if left[i] == right[j]:
            common.append((i, j))
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return common
