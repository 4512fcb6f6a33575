"""Training examples: what a model is shown, and the reply that it should write. One JSON object a line.

    {"question": "When did the café open?", "answer": "in 1921", "cited": [2], "source": "notes/paris.md",
     "kind": "span", "passages": [{"heading": "Museums", "lines": ["The museum ..."]},
                                  {"heading": "Cafés", "lines": ["Ours opened in 1921.", "It closed in 1960."]}]}

The answer stands in a line of a passage that it cites, or is "See" where all of that passage answers. An example
without an answer is one that the passages do not answer. `kind` only says how it was made. `source` is what it was made
from: all of one source end up on the same side of a split, so that what is measured was never trained on.
"""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from knowledge import prompt
from knowledge.errors import NotesError

#: Of a question, a line or an answer, and of a heading.
MOST_CHARACTERS, MOST_IN_HEADING = 2000, 500
MOST_PASSAGES = 6
_Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]


class Passage(BaseModel):
    """One numbered passage: a heading and the lines under it that were chosen for the question."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heading: Annotated[str, Field(max_length=MOST_IN_HEADING)]
    lines: tuple[_Text, ...]


class Example(BaseModel):
    """A question over one to six passages. `cited` counts the passages from 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: _Text
    passages: Annotated[tuple[Passage, ...], Field(min_length=1, max_length=MOST_PASSAGES)]
    answer: Annotated[str, Field(max_length=MOST_CHARACTERS)] = ""
    cited: tuple[int, ...] = ()
    source: _Text
    kind: str = ""

    @model_validator(mode="after")
    def _answer_is_cited(self) -> Self:
        if bool(self.answer.strip()) != bool(self.cited):
            raise ValueError("an answer needs the number of a passage in `cited`, and no answer needs none")
        if not all(1 <= number <= len(self.passages) for number in self.cited):
            raise ValueError(f"`cited` names a passage that is not there: {list(self.cited)}")
        cited = [self.passages[number - 1] for number in self.cited]
        lines = [line.lower() for passage in cited for line in (passage.heading, *passage.lines)]
        if self.answer not in ("", prompt.SEE) and not any(self.answer.lower() in line for line in lines):
            raise ValueError(f"the answer stands in no line of a passage that it cites, and is not {prompt.SEE!r}")
        return self

    @property
    def prompt(self) -> prompt.Prompt:
        passages = [prompt.Passage(passage.heading, passage.lines) for passage in self.passages]
        return prompt.build_prompt(self.question, passages, _PROMPT_BYTES)

    @property
    def reply(self) -> str:
        return prompt.write_reply(self.answer, self.cited)


#: As much as the chat gives a model (`chatbot.engines.Engine.prompt_bytes`).
_PROMPT_BYTES = 3584


def read_examples(path: Path) -> list[Example]:
    """The examples of a JSONL file.

    Raises NotesError with the file and the line of the first that is none.
    """
    found = []
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            try:
                found.append(Example.model_validate_json(line))
            except ValidationError as error:
                raise NotesError(f"{path}:{number}: {_first_problem(error)}") from error
    return found


def read_lines(path: Path) -> list[str]:
    """The lines of a JSONL file, in UTF-8 with a byte order mark or without.

    Raises NotesError where it cannot be read.
    """
    try:
        # not `splitlines`: other ends of lines may stand inside a string of JSON
        return path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise NotesError(f"{path}: is not in UTF-8: save it so") from error
    except OSError as error:
        raise NotesError(f"{path}: cannot be read ({error.strerror})") from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    told = first["msg"].removeprefix("Value error, ")
    return f"{where}: {told}" if where else told


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write examples as JSONL, each question over the same passages once; returns how many."""
    written = dict.fromkeys(example.model_dump_json(exclude_defaults=True) for example in _distinct(examples))
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text("".join(f"{line}\n" for line in written), encoding="utf-8")
    new.replace(path)
    return len(written)


def _distinct(examples: Iterable[Example]) -> Iterator[Example]:
    seen = set()
    for example in examples:
        key = (" ".join(example.question.lower().split()), example.passages)
        if key not in seen:
            seen.add(key)
            yield example


def split(examples: Iterable[Example], share: float) -> tuple[list[Example], list[Example]]:
    """Examples to train on, and about `share` of the sources to validate on: of several at least one, and never all,
    both of those with an answer and of those without. Questions that nothing answers are each a source, and could be
    all that there is to validate on.

    A source is on the side that its name's hash says, so that adding notes moves none from one side to the other, but
    where there are very few.
    """
    examples = list(examples)
    answered = {example.source for example in examples if example.cited}
    others = {example.source for example in examples} - answered
    chosen = {*_held_out(answered, share), *_held_out(others, share)}
    sides: tuple[list[Example], list[Example]] = ([], [])
    for example in examples:
        sides[example.source in chosen].append(example)
    return sides


def _held_out(sources: Iterable[str], share: float) -> list[str]:
    ordered = sorted(sources, key=_place)
    below = sum(_place(source) < share for source in ordered)
    return ordered[: min(max(below, 1), len(ordered) - 1)]


def _place(source: str) -> float:
    """Where in [0, 1) the hash of a name lies."""
    digest = hashlib.blake2b(source.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def balanced(examples: Sequence[Example], unanswered: float, seed: int) -> list[Example]:
    """All examples with an answer, and so many of those without, drawn by chance, that these are at most the share
    `unanswered` of all.

    A small model that is shown more of them soon finds it safest to refuse whatever it is asked.
    """
    answered = [example for example in examples if example.cited]
    others = [example for example in examples if not example.cited]
    most = round(len(answered) * unanswered / (1 - unanswered))
    return [*answered, *random.Random(seed).sample(others, min(most, len(others)))]


def card(examples: Iterable[Example]) -> dict[str, object]:
    """What a data set holds as it is written, by kind; how many sources and unanswered questions."""
    examples = list(_distinct(examples))
    kinds: dict[str, int] = {}
    for example in examples:
        kinds[example.kind] = kinds.get(example.kind, 0) + 1
    return {
        "examples": len(examples),
        "sources": len({example.source for example in examples}),
        "unanswered": sum(not example.cited for example in examples),
        "kinds": dict(sorted(kinds.items())),
        "sha256": hashlib.sha256(json.dumps([e.model_dump_json() for e in examples]).encode()).hexdigest(),
    }
