"""Make training examples of questions whose answers are known.

Every question is searched for in the indexed notes, so that an example shows what the chat would show: the right
passage among the wrong ones that match best, each cut down to its best lines.
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from finetune.examples import MOST_CHARACTERS, MOST_IN_HEADING, Example, Passage, read_lines
from knowledge.documents import Chunk, Hit
from knowledge.evidence import Excerpt, about_as_good, excerpts, gather, read
from knowledge.prompt import SEE
from knowledge.query import Query, parse
from knowledge.store import Store

#: The shares of what is made of an answerable question beside what is found for it: the same with the passage that
#: answers taken out, that passage among wrong ones, and else that passage alone.
_MISSING, _MIXED = 0.25, 0.45
#: The share of questions without an answer that are asked over the nearest passage alone.
_ALONE = 0.4


@dataclass(frozen=True)
class Asked:
    """A question, the chunk that answers it or that it nearly fits, and the answers as they stand there.

    A question that is `answerable` but has no answers is answered by the whole section: a list, links, code. One that
    nothing answers may fit no chunk.
    """

    question: str
    chunk: Chunk | None
    answers: tuple[str, ...]
    answerable: bool
    source: str
    #: whether it leans on an answer from `chunk`, and has its topic added
    follows: bool = False


def examples(store: Store, asked: Iterable[Asked], seed: int, kept: Path | None = None) -> Iterator[Example]:
    """Up to two examples of an answerable question, one of them over what is found for it, and one of another.

    An answer that is neither in one line of what would be shown nor in the heading gives no example: only a reader of
    all could know it. Nor does a question that cannot be asked: without a word, or longer than an example may be. What
    is made is put into the file `kept` as it comes, and not made again from the same notes.
    """
    made = _read_kept(kept) if kept else {}
    indexed = hashlib.sha256(repr([store.made_with, *_vector_ids(store)]).encode()).hexdigest() if kept else ""
    with kept.open("a", encoding="utf-8") if kept else nullcontext() as file:
        for number, each in enumerate(asked):
            key = hashlib.sha256(f"{indexed} {seed} {number} {each}".encode()).hexdigest()
            if key not in made:
                made[key] = _examples(each, store, random.Random(f"{seed} {number} {each.question}"))
                if file:
                    lines = [example.model_dump(mode="json") for example in made[key]]
                    # begun with a new line: the one before may have been cut off
                    file.write("\n" + json.dumps({"key": key, "examples": lines}))
                    file.flush()
            yield from made[key]


def _vector_ids(store: Store) -> Iterator[str]:
    return (chunk.vector_id for listed in store.documents() for chunk in store.get(listed.document.source))


def _read_kept(file: Path) -> dict[str, list[Example]]:
    """Examples by key; a last line that was cut off is passed over."""
    made = {}
    for line in read_lines(file) if file.is_file() else ():
        try:
            entry = json.loads(line)
            made[entry["key"]] = [Example.model_validate(each) for each in entry["examples"]]
        except (ValueError, LookupError, TypeError):
            continue
    return made


def _examples(asked: Asked, store: Store, chance: random.Random) -> list[Example]:
    query = parse(asked.question)
    if not any(map(str.isalnum, query.text)) or len(query.text) > MOST_CHARACTERS:
        return []
    found = gather(asked.question, store, keep=(asked.chunk,) if asked.follows and asked.chunk else ()).sections
    shown = _shown(asked, found, store, chance)
    return list(filter(None, (_example(asked, query, store, sections) for sections in shown if sections)))


def _shown(asked: Asked, found: Sequence[Hit], store: Store, chance: random.Random) -> list[Sequence[Hit]]:
    """The sections of each example: those that the chat would show, and others in their place or beside them."""
    shown: list[Sequence[Hit]] = [found and about_as_good(found)]
    way = chance.random()
    gold = list(found[:1])
    if asked.chunk:
        gold = [hit for hit in found if _holds(hit.chunk, asked)][:1] or [Hit(store.around(asked.chunk), 0.0)]
    if not asked.answerable:
        return [gold] if way < _ALONE else shown
    rest = [hit for hit in found if not _is_about(hit.chunk, asked) and not _says(hit.chunk, asked)]
    if way < _MISSING:
        return [*shown, about_as_good(rest)]
    mixed = [*gold, *(rest[:2] if way < _MISSING + _MIXED else [])]
    chance.shuffle(mixed)
    return [*shown, mixed]


def _is_about(section: Chunk, asked: Asked) -> bool:
    return asked.chunk is not None and section.section == asked.chunk.section


def _holds(section: Chunk, asked: Asked) -> bool:
    """Whether a section holds what was asked about: of a long one the chunk with the answer, where there is one."""
    in_it = not asked.answers or (asked.chunk is not None and asked.chunk.text in section.text)
    return _is_about(section, asked) and in_it


def _says(section: Chunk, asked: Asked) -> bool:
    """Whether a section answers too: it has an answer in it, or is a copy of the one that answers as a whole."""
    answers = asked.answers or ((asked.chunk.text,) if asked.chunk else ())
    return any(answer.lower() in section.text.lower() for answer in answers)


def _example(asked: Asked, query: Query, store: Store, sections: Sequence[Hit]) -> Example | None:
    shown = excerpts(sections, read(query.topic, sections, store))
    passages = tuple(_passage(excerpt) for excerpt in shown)
    gold = next((n for n, excerpt in enumerate(shown, start=1) if _holds(excerpt.section, asked)), None)
    example = Example(question=query.text, passages=passages, source=asked.source, kind="missing")
    if not asked.answerable:
        return example.model_copy(update={"kind": "near"})
    if gold is None:
        return None if any(_says(excerpt.section, asked) for excerpt in shown) else example
    answer, kind = (SEE, "section") if not asked.answers else (_said_answer(asked, passages[gold - 1]), "span")
    return example.model_copy(update={"answer": answer, "cited": (gold,), "kind": kind}) if answer else None


def _said_answer(asked: Asked, passage: Passage) -> str:
    """The answer that most people gave, the shortest of equals, that stands in a line, or else in the heading, as that
    of a note on what is asked for does; empty where none does."""
    given = sorted(Counter(asked.answers).items(), key=lambda item: (-item[1], len(item[0])))
    answers = [said for answer, _ in given if (said := " ".join(answer.split()).strip(" .,;:"))]
    in_lines = (said for said in answers if any(said in line for line in passage.lines))
    in_heading = (said for said in answers if said in passage.heading)
    return next(chain(in_lines, in_heading), "")


def _passage(excerpt: Excerpt) -> Passage:
    shown = excerpt.passage
    # a mark such as Obsidian's [!todo] leaves nothing of its line
    return Passage(heading=shown.heading[:MOST_IN_HEADING], lines=tuple(filter(str.strip, shown.lines)))
