"""Which of the links that stand in a section a question asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.documents import Chunk, Link
from knowledge.evidence import Unit, overlap, stems, units, word_weights
from knowledge.store import Store

#: So many links are shown together, whatever is asked.
_FEW = 6
#: More are not shown of a section.
_MOST = 12
#: Of many, those that are at least this good, as a share of the best one's score, are meant.
_AS_GOOD = 0.8


@dataclass(frozen=True)
class Pointer:
    """A link and the unit of its section in which it stands; none where it stands beside the text."""

    link: Link
    unit: Unit | None

    @property
    def text(self) -> str:
        """What tells where it leads: its own text, or the words around it where that says nothing."""
        if self.unit and self.unit.kind != "links" and not self.link.says_something:
            return self.unit.said
        return self.link.label


def pointers(section: Chunk) -> list[Pointer]:
    """The links of a section that lead to the web, in order. An article's only one is itself."""
    if section.url:
        return [Pointer(Link(section.title, section.url), None)]
    inside = units(section)
    return [Pointer(link, _around(link, inside)) for link in section.links if "://" in link.url]


def _around(link: Link, inside: Sequence[Unit]) -> Unit | None:
    return next((unit for unit in inside if link.url in unit.text), None) or next(
        (unit for unit in inside if link.says_something and link.text in unit.text), None
    )


def asked_for(topic: str, section: Chunk, store: Store) -> list[Pointer]:
    """The pointers of a section that a question asks for, in order: all of a few, or where the whole section is meant;
    of more, those that fit it clearly better than the others, or the first ones where none does.

    Scored as units are (`knowledge.evidence.read`), by their own words.
    """
    found = pointers(section)
    weights = word_weights(topic, store)
    if len(found) <= _FEW or stems(topic) <= stems(section.heading):
        return found[:_MOST]
    vectors = store.vectors_of([topic, *(pointer.text for pointer in found)])
    scores = [
        (float(cosine) + overlap(weights, f"{pointer.text} {pointer.link.url}")) / 2
        for pointer, cosine in zip(found, vectors[1:] @ vectors[0], strict=True)
    ]
    least = _AS_GOOD * max(scores)
    best = [pointer for pointer, score in zip(found, scores, strict=True) if score >= least]
    return best if 0 < len(best) <= _FEW else found[:_MOST]  # none: not one of them is like the question
