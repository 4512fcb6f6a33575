"""Questions that lean on the conversation ("and what does it cost?"), and how they are made to stand by themselves."""

import re

from knowledge.text import content_words, words

_REFERS_BACK = frozenset(
    """it its they them their that this these those one ones he she his her there first second third fourth last former
    latter other""".split()
)
#: What is asked for of whatever was talked about.
_OF_ANYTHING = frozenset("link links source sources article page note notes example examples details".split())
_NUMBERS = frozenset("two three four five".split())
#: What would make a filter of a topic.
_MARKS = re.compile(r'[\[\]#"“”„«»]')
_GOES_ON = re.compile(r"(?:and|but|so|then|also|ok|okay|what about|how about|why|why not|more|tell me more)\b", re.I)
#: A question with more words of its own than this says what it is about.
_FEW_WORDS = 2


def leans(question: str) -> bool:
    """Whether a question leans on the answer before it: it has few words of its own and refers back ("how do I install
    it?") or goes on ("and on Linux?"), or asks for what any topic has ("show me the link")."""
    refers = bool(_REFERS_BACK & set(words(question))) or bool(_GOES_ON.match(question.strip()))
    own = [word for word in content_words(question) if word not in _REFERS_BACK | _NUMBERS]
    return set(own) <= _OF_ANYTHING or (refers and len(own) <= _FEW_WORDS)


def with_topic(question: str, topic: str) -> str:
    """A question that leans on a topic as it is asked of the notes, and shown to a model."""
    return f"{question} ({_MARKS.sub(' ', topic)})"
