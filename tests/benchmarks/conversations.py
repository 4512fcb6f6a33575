"""Conversations of two and three turns: is a follow-up understood, and does a new topic leave the old one behind?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chatbot.answer import Answer, Assistant
from chatbot.evaluate import Question


@dataclass(frozen=True)
class Outcome:
    """Shares of the turns behind the first: of the answerable ones answered, with the wanted section first, and with
    every wanted fact shown; of the others refused; of small talk taken as such."""

    answered: float
    section_first: float
    facts: float
    refused: float
    small_talk: float

    def __str__(self) -> str:
        return (
            f"follow-ups: answered {self.answered:.2f}, right section first {self.section_first:.2f}, "
            f"facts shown {self.facts:.2f}; refused {self.refused:.2f}; small talk {self.small_talk:.2f}"
        )


def score(assistant: Assistant, conversations: Sequence[dict]) -> Outcome:
    later: list[tuple[dict, Answer]] = []
    for conversation in conversations:
        earlier: list[Answer] = []
        for turn in conversation["turns"]:
            *_, answer = assistant.stream(turn["q"], earlier)
            earlier.append(answer)
        later += list(zip(conversation["turns"], earlier, strict=True))[1:]
    small_talk = [answer for turn, answer in later if turn.get("small_talk")]
    unanswerable = [answer for turn, answer in later if not turn.get("answerable", True)]
    answerable = [(turn, answer) for turn, answer in later if "section" in turn and turn.get("answerable", True)]
    return Outcome(
        _share(answer.route == "notes" for _, answer in answerable),
        _share(_right(answer, turn["section"]) for turn, answer in answerable),
        _share(_shows(answer, turn["must"]) for turn, answer in answerable if "must" in turn),
        _share(answer.route == "none" for answer in unanswerable),
        _share(answer.route == "intent" for answer in small_talk),
    )


def _right(answer: Answer, section: str) -> bool:
    return bool(answer.sections) and Question("", section=section).is_wanted(answer.sections[0].chunk)


def _shows(answer: Answer, facts: Sequence[str]) -> bool:
    text = answer.text.lower()
    return all(any(name.lower() in text for name in fact.split("|")) for fact in facts)


def _share(outcomes: Iterable[bool]) -> float:
    found = list(outcomes)
    return sum(found) / len(found)
