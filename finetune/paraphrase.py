"""Other ways to ask the same: people who search their notes seldom write whole sentences."""

import random
import re
from collections.abc import Iterator

from knowledge.text import content_words

#: So many ways of asking are taken of each question, itself included.
_TAKEN = 3
#: Openings, and what may stand in their place.
_RULES = tuple(
    (re.compile(pattern), asked)
    for pattern, asked in (
        (r"How do I (?P<what>.+)\?", ("how to {what}", "what is the way to {what}?", "steps to {what}")),
        (
            r"What do my notes say about (?P<what>.+)\?",
            ("tell me about {what}", "{what}", "what did I write on {what}?", "my notes on {what}"),
        ),
        (
            r"Where did I read (?:about )?(?P<what>.+)\?",
            ("link about {what}", "which article is about {what}?", "where can I read about {what}?"),
        ),
        (r"What (?:is|are) (?P<what>.+)\?", ("explain {what}", "{what} meaning", "what does my note call {what}?")),
        (r"What did I list under “(?P<what>.+)”\?", ("list of {what}", "which {what} do I know?", "all {what}")),
        (r"Which (?P<what>.+)\?", ("what {what}?", "do I know which {what}?")),
        (r"Who (?P<what>.+)\?", ("name of the one who {what}", "do my notes say who {what}?")),
        (r"Why (?P<what>.+)\?", ("reason why {what}", "for what reason {what}?")),
    )
)


def paraphrased(question: str, seed: int) -> list[str]:
    """The question, and two other ways to ask it where there are so many; the same ones for the same seed."""
    others = [other for other in dict.fromkeys(_ways(question)) if other != question]
    chance = random.Random(f"{seed} {question}")
    return [question, *chance.sample(others, min(_TAKEN - 1, len(others)))]


def _ways(question: str) -> Iterator[str]:
    for pattern, asked in _RULES:
        if found := pattern.fullmatch(question):
            yield from (form.format(what=found["what"]) for form in asked)
    bare = question.rstrip("?")
    yield bare[0].lower() + bare[1:] if bare[1:2].islower() else bare
    if len(words := content_words(question)) > 1:
        yield " ".join(words)
