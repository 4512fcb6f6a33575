"""How near an answer is to a known one."""

import re
import string
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache


def token_f1(said: str, gold: str) -> float:
    """The harmonic mean of precision and recall of the words (Rajpurkar et al., EMNLP 2016), 0 to 1."""
    left, right = squad_words(said), squad_words(gold)
    common = sum((Counter(left) & Counter(right)).values())
    return 2 * common / (len(left) + len(right)) if common else 0.0


def squad_words(text: str) -> list[str]:
    """Words as SQuAD's own scoring compares them: lower case, without punctuation and articles."""
    bare = text.lower().translate(str.maketrans("", "", string.punctuation))
    return [word for word in bare.split() if word not in ("a", "an", "the")]


@lru_cache(maxsize=4096)
def fact_pattern(fact: str) -> re.Pattern[str]:
    """Matches a fact in any of its alternatives, whatever the case and the white space; numbers match whole ones."""
    return re.compile("|".join(_literal(each.split()) for each in fact.split("|") if each.strip()), re.IGNORECASE)


def _literal(words: Sequence[str]) -> str:
    before = r"(?<!\d)(?<!\d[.,])" if words[0][0].isdigit() else ""
    after = r"(?!\d|[.,]\d)" if words[-1][-1].isdigit() else ""
    return before + r"\s+".join(map(re.escape, words)) + after
