"""The one prompt that models answer from, and are tuned to: numbered passages, then the question.

A reply is a short answer in the passages' words with the numbers of those that say it ("Paris [2]"), `SEE` with a
number where a whole passage answers (a list, links, code), or `NOT_IN_NOTES`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SYSTEM_PROMPT = (
    "Answer from the notes, in a few of their words, with the number of the note. "
    "If they do not answer, reply: Not in the notes."
)
NOT_IN_NOTES = "Not in the notes."
SEE = "See"

_NUMBER = re.compile(r"\s*\[(\d{1,2})\]")


@dataclass(frozen=True)
class Prompt:
    """`system` is the same for every question, and the first `shared` characters of `user` are the passages, which the
    next question may share: an engine may keep its state after each."""

    system: str
    user: str
    shared: int = 0


@dataclass(frozen=True)
class Passage:
    """A section as a model reads it: its heading, and the lines of it that bear on the question."""

    heading: str
    lines: tuple[str, ...]


def build_prompt(question: str, passages: Sequence[Passage], most_bytes: int) -> Prompt:
    """The passages, numbered from 1, and the question, in at most `most_bytes` bytes of UTF-8, system text included.

    A line that does not fit any more is left out; a heading never is, so the numbers stay true.
    """
    room = most_bytes - len(SYSTEM_PROMPT.encode())
    question = first_bytes(question, room // 4)
    headings = [first_bytes(passage.heading, room // (4 * len(passages))) for passage in passages]
    heads = [f"[{number}] {heading}\n" for number, heading in enumerate(headings, start=1)]
    room -= len(f"{''.join(heads)}Question: {question}".encode())
    text = ""
    for head, passage in zip(heads, passages, strict=True):
        text += head
        for line in passage.lines:
            if len(line.encode()) < room:
                text += line + "\n"
                room -= len(line.encode()) + 1
    return Prompt(SYSTEM_PROMPT, f"{text}Question: {question}", len(text))


def write_reply(answer: str, cited: Iterable[int]) -> str:
    """The reply that says `answer` and cites these passages; that the notes hold nothing, where it cites none."""
    numbers = "".join(f"[{number}]" for number in cited)
    return f"{answer} {numbers}" if numbers else NOT_IN_NOTES


def read_reply(text: str) -> tuple[str, list[int]]:
    """The answer without the numbers in it, and the numbers in the order in which they stand."""
    return _NUMBER.sub("", text).strip(), [int(number) for number in _NUMBER.findall(text)]


def first_bytes(text: str, most: int) -> str:
    """The beginning of `text` that has at most `most` bytes of UTF-8."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
