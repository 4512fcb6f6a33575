"""Make a question that leans on the conversation stand by itself."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from knowledge.documents import Chunk
from knowledge.text import content_words, words

if TYPE_CHECKING:
    from chatbot.answer import Answer

_REFERS_BACK = frozenset(
    """it its they them their that this these those one ones he she his her there first second third fourth last former
    latter other""".split()
)
#: What is asked for of whatever was talked about.
_OF_ANYTHING = frozenset("link links source sources article page note notes example examples details".split())
_NUMBERS = frozenset("two three four five".split())
_MARKS = re.compile(r'[\[\]#"“”„«»]')
_GOES_ON = re.compile(r"(?:and|but|so|then|also|ok|okay|what about|how about|why|why not|more|tell me more)\b", re.I)
#: A question with more words of its own than this says what it is about.
_FEW_WORDS = 2


def standalone(question: str, earlier: "Sequence[Answer]") -> str:
    """`question` with the topic of the last answer from the notes added, where it leans on it; else as it is."""
    sections = leans_on(question, earlier)
    # without the marks that would make a filter of it
    return f"{question} ({_MARKS.sub(' ', sections[0].heading_path[-1])})" if sections else question


def leans_on(question: str, earlier: "Sequence[Answer]") -> tuple[Chunk, ...]:
    """The sections that the last answer from the notes cites, where `question` leans on it; else none.

    It leans where it has few words of its own and refers back ("how do I install it?") or goes on ("and on Linux?"),
    or asks for what any topic has ("show me the link").
    """
    cited = next((turn.citations for turn in reversed(earlier) if turn.citations), ())
    refers = bool(_REFERS_BACK & set(words(question))) or bool(_GOES_ON.match(question.strip()))
    own = [word for word in content_words(question) if word not in _REFERS_BACK | _NUMBERS]
    leans = set(own) <= _OF_ANYTHING or (refers and len(own) <= _FEW_WORDS)
    return tuple(citation.chunk for citation in cited) if leans else ()
