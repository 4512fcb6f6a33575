"""Answers of the extract engine: is what was wanted shown, and is what the notes do not hold refused?"""

from collections.abc import Sequence
from dataclasses import dataclass

from chatbot.answer import Assistant


@dataclass(frozen=True)
class Outcome:
    """Shares of the answerable questions answered, and with every wanted fact or link; of the others, refused."""

    answered: float
    right: float
    refused: float

    def __str__(self) -> str:
        return (
            f"answers: answered {self.answered:.2f}, facts or link shown {self.right:.2f}; refused {self.refused:.2f}"
        )


def score(assistant: Assistant, questions: Sequence[dict]) -> Outcome:
    answered = right = refused = 0
    answerable = [entry for entry in questions if entry.get("answerable", True)]
    for entry in questions:
        answer = assistant.answer(entry["q"])
        if not entry.get("answerable", True):
            refused += answer.route == "none"
            continue
        answered += answer.route == "notes"
        text = answer.text.lower()
        wanted = entry.get("must") or [entry["url"]]
        right += all(any(fact.lower() in text for fact in each.split("|")) for each in wanted)
    others = len(questions) - len(answerable)
    return Outcome(answered / len(answerable), right / len(answerable), refused / others)
