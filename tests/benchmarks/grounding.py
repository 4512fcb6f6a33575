"""Sentences that a language model could write about a unit of the notes: are those shown that it supports?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chatbot.ground import supporting
from knowledge.documents import Chunk
from knowledge.evidence import units

#: The heading of notes that were written without one.
_UNNAMED = "note"


@dataclass(frozen=True)
class Outcome:
    """Shares of the sentences of a set that are shown: of those that the unit supports, and of the others."""

    name: str
    sentences: int
    supported: float
    unsupported: float

    def __str__(self) -> str:
        return (
            f"grounding, {self.sentences} sentences {self.name}: shown of the supported {self.supported:.2f}, "
            f"of the others {self.unsupported:.2f}"
        )


def score(similarity: Callable[[str, str], float], judged: Sequence[dict]) -> Iterator[Outcome]:
    """One outcome a set. A sentence that rests on another unit than its own counts as not shown where its own supports
    it."""
    for name in dict.fromkeys(entry["set"] for entry in judged):
        entries = [entry for entry in judged if entry["set"] == name]
        shown = {True: [], False: []}
        for entry in entries:
            notes = [_note(entry["unit"], entry.get("heading", _UNNAMED)), *map(_beside, entry["beside"])]
            read = [unit for note in notes for unit in units(note)]
            support, _ = supporting(entry["sentence"], entry["question"], read, similarity)
            is_right = support is not None and (support.chunk.text == entry["unit"] or not entry["supported"])
            shown[entry["supported"]].append(is_right)
        yield Outcome(name, len(entries), *(sum(shown[side]) / len(shown[side]) for side in (True, False)))


def _beside(entry: str | list[str]) -> Chunk:
    """Another note: its text, or its heading and its text."""
    return _note(entry) if isinstance(entry, str) else _note(entry[1], entry[0])


def _note(text: str, heading: str = _UNNAMED) -> Chunk:
    return Chunk("note.md", "note", (heading,), (1, 1), text)
