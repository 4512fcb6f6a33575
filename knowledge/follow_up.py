"""Questions that lean on the conversation ("and what does it cost?"), and how they are made to stand by themselves."""

import re

from knowledge.text import is_stop_word, meaningful_words, words

_REFERS_BACK = frozenset(
    """it its they them their that this these those one ones he she his her there first second third fourth last former
    latter other""".split()
)
#: These tell things of a kind apart, and the kind may be another topic ("the last meeting").
_TELLS_APART = frozenset("first second third fourth last".split())
_POINTS = frozenset("this that these those".split())
#: Behind these "that" stands by itself and a verb follows ("what does that cost?"), elsewhere a noun may ("that menu").
_HELPERS = frozenset("do does did can could will would should".split())
#: Nothing in the conversation is meant by these.
_REFERS_TO_NOTHING = re.compile(
    r"\b(?:(?:is|are|was|were) there|there(?:['’]s| (?:is|are|was|were))"
    r"|this (?:day|morning|afternoon|evening|week|weekend|month|spring|summer|autumn|winter|year))\b",
    re.I,
)
#: What is asked for of whatever was talked about.
_OF_ANYTHING = frozenset("link links source sources article page note notes read example examples details".split())
_NUMBERS = frozenset("two three four five".split())
#: What would make a filter of a topic.
_MARKS = re.compile(r'[\[\]#"“”„«»]')
_GOES_ON = re.compile(
    r"(?:and|but|so|then|also|ok|okay|what about|how about|why|why not|more|tell me more)\b"
    r"|(?:how|what|when|where|who|which|(?:what|who|where|anything) else)\W*$",
    re.I,
)
#: A question, with or without its mark, or a request; "that was great" is neither.
_ASKS = re.compile(
    r"\?\s*$|^(?:(?:and|but|so|then|also|ok|okay)\W+)*(?:how|what|when|where|who|whose|which|why|is|are|was|were|do|does"
    r"|did|can|could|will|would|should|tell|show|give|explain|more|example)\b",
    re.I,
)
_TO_THE_PROGRAM = frozenset("you your yourself bot".split())
#: A question with more words of its own than this says what it is about.
_FEW_WORDS = 2


def leans(question: str) -> bool:
    """Whether a question leans on the answer before it: it has few words of its own and refers back ("how do I install
    it?") or goes on ("and on Linux?"), or asks for what any topic has ("show me the link")."""
    goes_on = bool(_GOES_ON.match(question.strip()))
    own = own_words(question)
    return (bool(own) and set(own) <= _OF_ANYTHING) or ((_referring(question) or goes_on) and len(own) <= _FEW_WORDS)


def may_name_a_topic(question: str) -> bool:
    """Whether a question that leans may name another topic all the same ("what about tulips?"): no pronoun in it stands
    for what was talked about."""
    return not _referring(question) - _TELLS_APART - _before_nouns(question) and not (
        set(own_words(question)) <= _OF_ANYTHING
    )


def asks_on(question: str) -> bool:
    """Whether a question that leans asks more about what was talked of, and is not said of the answer ("that was
    great") or to the program ("can you do that?")."""
    return bool(_ASKS.search(question.strip())) and _TO_THE_PROGRAM.isdisjoint(words(question))


def own_words(question: str) -> list[str]:
    """The words that say what a question is about by itself."""
    return [word for word in meaningful_words(question) if word not in _REFERS_BACK | _NUMBERS]


def _referring(question: str) -> frozenset[str]:
    return _REFERS_BACK.intersection(words(_REFERS_TO_NOTHING.sub(" ", question)))


def _before_nouns(question: str) -> set[str]:
    """The words such as "this" that point to what is named right behind them."""
    asked = ["", *words(question)]
    return {
        word
        for before, word, noun in zip(asked, asked[1:], asked[2:], strict=False)
        if word in _POINTS and before not in _HELPERS and not is_stop_word(noun)
    }


def with_topic(question: str, topic: str) -> str:
    """A question that leans on a topic as it is asked of the notes, and shown to a model."""
    return f"{question} ({_MARKS.sub(' ', topic)})"
