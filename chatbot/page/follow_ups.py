"""Questions that the notes can answer, made from their headings: to begin with, and to go on after an answer."""

import re
from collections.abc import Iterable, Iterator, Sequence

from chatbot.answer import Answer
from chatbot.page.evidence import unused
from chatbot.page.texts import question_about
from knowledge.documents import Chunk
from knowledge.store import Store

_EXAMPLES = 4
_FOLLOW_UPS = 3
#: How good a passage must be that was found beside the answer, as a share of the best one's score.
_BESIDE_BEST = 0.4
#: How many follow-ups come from those at most, where the note itself has others.
_FOUND = 2
_LATIN = re.compile("[A-Za-z]")


def examples(store: Store) -> list[str]:
    """A few questions from all over the notes."""
    questions = [question for heading in store.headings(50) if (question := _question(heading))]
    step = max(1, len(questions) // _EXAMPLES)
    return questions[::step][:_EXAMPLES]


def follow_ups(turns: Sequence[Answer], store: Store) -> list[str]:
    """What can be asked after the last of these answers: sections that were found beside what it cites, and those that
    stand next to that in the notes. None after small talk, and never what was cited or asked already."""
    answer = turns[-1]
    if not answer.citations:
        return []
    told = {turn.question for turn in turns} | set(_questions(each.chunk for turn in turns for each in turn.citations))
    found, beside = (
        [question for question in dict.fromkeys(_questions(chunks)) if question not in told]
        for chunks in (_found_beside(answer), _siblings(answer, store))
    )
    return list(dict.fromkeys([*found[:_FOUND], *beside, *found[_FOUND:]]))[:_FOLLOW_UPS]


def _found_beside(answer: Answer) -> Iterator[Chunk]:
    """What was found and not used, of notes only: an article's headings say little by themselves."""
    enough = _BESIDE_BEST * answer.why.candidates[0].score if answer.why.candidates else 0.0
    return (hit.chunk for hit in unused(answer) if hit.score >= enough and hit.chunk.kind == "note")


def _siblings(answer: Answer, store: Store) -> Iterator[Chunk]:
    """The sections beside the one that an answer cites first, or that links to the article it cites, nearest first."""
    first = answer.citations[0]
    origin = first.linked_from[0] if first.linked_from else first.chunk
    parent = origin.heading_path[:-1]
    beside = [chunk for chunk in store.get(origin.source) if chunk.heading_path[:-1] == parent]
    place = next((n for n, chunk in enumerate(beside) if chunk.heading_path == origin.heading_path), 0)
    near = sorted(range(len(beside)), key=lambda n: (abs(n - place), n < place))
    return (beside[n] for n in near if beside[n].kind == "note")


def _questions(chunks: Iterable[Chunk]) -> Iterator[str]:
    return (question for chunk in chunks if (question := _question(chunk.heading_path[-1])))


def _question(heading: str) -> str:
    """A heading as a question; nothing where it is no topic."""
    topic = heading.split(":")[0].strip()
    if not 3 <= len(topic) <= 60:
        return ""
    is_question = topic.endswith(("?", "؟")) or not _LATIN.search(topic)  # an English frame would not read well
    return topic if is_question else question_about(topic)
