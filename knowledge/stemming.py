"""The forms of a word: Porter's stem, and the short names of months and days. And NLTK's word tokenizer.

NLTK is imported without what takes most of its time and is not used here.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nltk.stem import PorterStemmer
    from nltk.tokenize import NLTKWordTokenizer


#: Names that notes shorten and questions spell out; not where the short form is another English word or a person's name
#: too (January, March, Saturday, Sunday).
_NAMES = (
    *(("february", "feb"), ("april", "apr"), ("june", "jun"), ("july", "jul"), ("august", "aug")),
    *(("september", "sept", "sep"), ("october", "oct"), ("november", "nov"), ("december", "dec"), ("monday", "mon")),
    *(("tuesday", "tue", "tues"), ("wednesday", "wed"), ("thursday", "thu", "thur", "thurs"), ("friday", "fri")),
)
_SPELLINGS = {spelling: names for names in _NAMES for spelling in names}


def spellings(word: str) -> tuple[str, ...]:
    """A word in lower case, or all names of the month or the day that it is a name of, the full one first."""
    return _SPELLINGS.get(word, (word,))


@lru_cache(maxsize=2**16)
def stem(word: str) -> str:
    """Porter's stem, as the full-text index has it, of a word or of the full name that it is short for."""
    return _stemmer().stem(spellings(word)[0])


@cache
def tokenizer() -> "NLTKWordTokenizer":
    """Splits text into words and marks."""
    with _bare():
        from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer()


@cache
def _stemmer() -> "PorterStemmer":
    with _bare():
        from nltk.stem import PorterStemmer

    return PorterStemmer()


@contextmanager
def _bare() -> Iterator[None]:
    """NLTK imports these where they are installed, for classes of its own: more than a second for nothing."""
    absent = [name for name in ("sklearn", "scipy.stats") if name not in sys.modules]
    sys.modules |= dict.fromkeys(absent)  # type: ignore[arg-type]  # an import then fails, as if it were not there
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
