"""Questions that lean on the conversation ("and what does it cost?"), and how they are made to stand by themselves."""

import re

from knowledge.text import content_words, words

_REFERS_BACK = frozenset(
    """it its they them their that this these those one ones he she his her there first second third fourth last former
    latter other""".split()
)
#: What is asked for of whatever was talked about.
_OF_ANYTHING = frozenset("link links source sources article page note notes read example examples details".split())
_NUMBERS = frozenset("two three four five".split())
#: What would make a filter of a topic.
_MARKS = re.compile(r'[\[\]#"“”„«»]')
_GOES_ON = re.compile(r"(?:and|but|so|then|also|ok|okay|what about|how about|why|why not|more|tell me more)\b", re.I)
#: A question with more words of its own than this says what it is about.
_FEW_WORDS = 2


def leans(question: str) -> bool:
    """Whether a question leans on the answer before it: it has few words of its own and refers back ("how do I install
    it?") or goes on ("and on Linux?"), or asks for what any topic has ("show me the link")."""
    goes_on = bool(_GOES_ON.match(question.strip()))
    own = [word for word in content_words(question) if word not in _REFERS_BACK | _NUMBERS]
    return set(own) <= _OF_ANYTHING or ((_refers_back(question) or goes_on) and len(own) <= _FEW_WORDS)


def may_name_a_topic(question: str) -> bool:
    """Whether a question that goes on may do so with another topic ("what about tulips?"): it refers to nothing."""
    return not _refers_back(question) and not set(content_words(question)) <= _OF_ANYTHING


def _refers_back(question: str) -> bool:
    return not _REFERS_BACK.isdisjoint(words(question))


def with_topic(question: str, topic: str) -> str:
    """A question that leans on a topic as it is asked of the notes, and shown to a model."""
    return f"{question} ({_MARKS.sub(' ', topic)})"
