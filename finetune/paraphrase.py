"""Other ways to ask the same, by rules: people who search their notes seldom write whole sentences, and go on from
the last answer."""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from finetune.dataset import Asked
from knowledge.evidence import stems
from knowledge.follow_up import leans, with_topic
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


#: Questions, and how they go on from an answer on the same topic: where they ask for something in it (`what`, unless it
#: is the topic), and where they ask for the topic itself.
_NEW = ("and {what}?", "what about {what}?")
_GOING_ON = tuple(
    (re.compile(pattern), in_it, itself)
    for pattern, in_it, itself in (
        (r"What do my notes on .+ say about (?P<what>.+)\?", _NEW, ()),
        (
            r"What do my notes say about (?P<what>.+)\?",
            _NEW,
            ("tell me more", "and what else is there?", "more about it"),
        ),
        (r"What did I list under “(?P<what>.+)”\?", (), ("and which are there?", "so what are they?")),
        (r"Where did I read (?:about )?(?P<what>.+)\?", (), ("show me the link", "and where did I read that?")),
        (r"How do I (?P<what>.+)\?", (), ("how is it done?", "and how do I do that?")),
        (r"What (?:is|are) (?:the )?(?P<what>.+)\?", _NEW, ("what is it?", "and what does it mean?")),
    )
)


def in_other_words(asked: Iterable[Asked], seed: int) -> Iterator[Asked]:
    """Every question, the other ways to ask it, and where it may follow an answer from the same section the way to
    go on from there."""
    for each in asked:
        yield from (replace(each, question=way) for way in paraphrased(each.question, seed))
        heading = each.chunk.heading_path[-1] if each.answerable and each.chunk else ""
        if goes_on := heading and _going_on(each.question, heading, seed):
            yield replace(each, question=with_topic(goes_on, heading), follows=True)


def _going_on(question: str, heading: str, seed: int) -> str:
    """The question as one that leans on its section; nothing where it has more words of its own than that takes."""
    topic = stems(heading.partition(":")[0])
    for pattern, in_it, itself in _GOING_ON:
        if match := pattern.fullmatch(question):
            forms = itself if topic and topic <= stems(match["what"]) <= stems(heading) else in_it
            goes_on = random.Random(f"{seed} {question}").choice(forms or ("",)).format(what=match["what"])
            return goes_on if goes_on and leans(goes_on) else ""
    return ""


def paraphrased(question: str, seed: int) -> list[str]:
    """The question, and two other ways to ask it where there are so many; the same ones for the same seed."""
    others = [other for other in dict.fromkeys(_ways(question)) if other != question]
    chance = random.Random(f"{seed} {question}")
    return [question, *chance.sample(others, min(_TAKEN - 1, len(others)))]


def _ways(question: str) -> Iterator[str]:
    for pattern, asked in _RULES:
        if found := pattern.fullmatch(question):
            yield from (form.format(what=found["what"]) for form in asked)
    if bare := question.rstrip("?"):
        yield bare[0].lower() + bare[1:] if bare[1:2].islower() else bare
    if len(words := content_words(question)) > 1:
        yield " ".join(words)
