"""NLTK's word tokenizer and Porter's stemmer, imported without what takes most of NLTK's time and is not used here."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nltk.stem import PorterStemmer
    from nltk.tokenize import NLTKWordTokenizer


@lru_cache(maxsize=2**16)
def stem(word: str) -> str:
    """Porter's stem, as the full-text index has it."""
    return _stemmer().stem(word)


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
