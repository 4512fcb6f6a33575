"""Questions with known answers: drafted from the notes, from a person's own file, from sets in the format of SQuAD."""

import json
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.dataset import Asked
from finetune.draft import draft
from finetune.examples import MOST_CHARACTERS, read_lines
from knowledge.documents import Chunk, Document
from knowledge.errors import NotesError
from knowledge.follow_up import leans, with_topic
from knowledge.history import History
from knowledge.query import KINDS, parse
from knowledge.store import Store
from knowledge.text import sentence_spans

#: As much as the encoder reads, in characters, roughly; longer texts become several chunks.
_CHUNK_CHARACTERS = 900


def read_squad(path: Path) -> tuple[list[Document], list[Asked]]:
    """The paragraphs of a set in the format of SQuAD (https://rajpurkar.github.io/SQuAD-explorer/), version 1 or 2, as
    documents, and its questions; each article is a source.

    Raises NotesError where the file is none of that form.
    """
    documents, asked = [], []
    try:
        for number, article in enumerate(json.loads(path.read_text(encoding="utf-8"))["data"]):
            for index, paragraph in enumerate(article["paragraphs"]):
                title = (article.get("title") or paragraph["context"].strip().partition("\n")[0][:120]).replace(
                    "_", " "
                )
                source = f"{path.stem}/{number}-{title}"
                starts, document = _document(f"{source}/{index}", title, paragraph["context"])
                documents.append(document)
                for each in paragraph["qas"]:
                    question = " ".join(each["question"].split())
                    answers = tuple(answer["text"].strip() for answer in each["answers"])
                    chunk = _chunk_with(each["answers"], starts, document.chunks)
                    asked.append(Asked(question, chunk, answers, bool(answers), source))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise NotesError(f"{path}: not a question set in the format of SQuAD ({error!r})") from error
    return documents, asked


def _document(source: str, title: str, text: str) -> tuple[list[int], Document]:
    """A text in chunks, and the characters of the text at which these begin."""
    starts, chunks, start, line = [0], [], 0, 1
    for _, end in [*sentence_spans(text), (0, len(text))]:
        if piece := text[start:end].strip() if end - start >= _CHUNK_CHARACTERS or end == len(text) else "":
            chunks.append(Chunk(source, title, (title,), (line, line + piece.count("\n")), piece))
            line += piece.count("\n") + 1
            start = end
            starts.append(start)
    return starts[:-1], Document(source, title, source, chunks=tuple(chunks))


def _chunk_with(answers: Sequence[Mapping[str, Any]], starts: Sequence[int], chunks: Sequence[Chunk]) -> Chunk:
    """The chunk in which an answer stands: where the set says, else the first that holds one."""
    for answer in answers:
        begin = answer.get("answer_start")
        chunk = chunks[max(0, bisect(starts, begin) - 1)] if isinstance(begin, int) else None
        if chunk and answer["text"].strip() in chunk.text:
            return chunk
    texts = [answer["text"].strip() for answer in answers]
    return next((chunk for chunk in chunks if any(text in chunk.text for text in texts)), chunks[0])


def index(store: Store, documents: list[Document]) -> None:
    """Put documents into an empty store."""
    from tqdm import tqdm

    with store.writing():
        chunks = store.missing(chunk for document in documents for chunk in document.chunks)
        for start in tqdm(range(0, len(chunks), 256), desc="indexing", unit="block", disable=None):
            store.embed(chunks[start : start + 256])
        store.add(documents)


def read_own(path: Path, store: Store, tell: Callable[[str], None] = lambda _: None) -> Iterator[Asked]:
    """The questions of a file for `askmynotes evaluate` that name a section which is indexed, or are unanswerable.

    A section is a source: its questions stay together. One that leans on those `after` which it was asked has the
    section's heading added, as the chat would. A single fact of `must` serves as the answer where `answers`
    are missing. `tell` hears at the end of the lines of which nothing can be learnt. Raises NotesError with the file
    and the line of what is no question.
    """
    known = _Known(store)
    useless: dict[str, list[int]] = {"name no section that is indexed": [], "have answers that do not stand there": []}
    no_section, no_answer = useless.values()
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            asked = list(known.asked(_entry(line, f"{path}:{number}")))
            if not asked:
                no_section.append(number)
            elif not all(map(_stands, asked)):
                no_answer.append(number)
            yield from asked
    for why, numbers in useless.items():
        if numbers:
            tell(f"{path}: nothing is learnt of these lines, which {why}: {', '.join(map(str, numbers))}")


def _entry(line: str, where: str) -> dict[str, Any]:
    """What a line of a person's own file says. Raises NotesError where it is no question, or one that cannot be."""
    try:
        entry = json.loads(line)
        question = entry["q"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotesError(f'{where}: not a question such as {{"q": "...", "section": "..."}}') from error
    if not isinstance(question, str) or not 0 < len(question.strip()) <= MOST_CHARACTERS:
        raise NotesError(f'{where}: "q" must be a text of 1 to {MOST_CHARACTERS} characters')
    for key in ("section", "page"):
        if not isinstance(entry.get(key, ""), str):
            raise NotesError(f'{where}: "{key}" must be a text')
    for key in ("answers", "must", "after"):
        texts = entry.get(key, [])
        if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
            raise NotesError(f'{where}: "{key}" must be a list of texts')
    if not isinstance(entry.get("answerable", True), bool):
        raise NotesError(f'{where}: "answerable" must be true or false')
    try:
        parse(question)
    except NotesError as error:
        raise NotesError(f"{where}: {error}") from error
    return entry


def _stands(asked: Asked) -> bool:
    """Whether an answer stands in the chunk that shall answer, or in its heading; without answers all of it does."""
    chunk = asked.chunk
    if chunk is None or not asked.answers:
        return True
    return any(
        " ".join(answer.split()) in " ".join(f"{chunk.heading} {chunk.text}".split()) for answer in asked.answers
    )


def drafted(store: Store, number: int) -> Iterator[Asked]:
    """Up to `number` questions that rules draft from the indexed notes and articles."""
    known = _Known(store)
    for entry in draft(store, number, KINDS):
        yield from known.asked(entry)


def rated(store: Store, history: History) -> Iterator[Asked]:
    """The questions of the chat whose answers the person called good, with what was answered."""
    known = _Known(store)
    for turn in history.rated(1):
        answer = json.loads(turn.answer)
        if answer["citations"]:
            chunk = answer["citations"][0]["chunk"]
            said = [part["text"] for part in answer["parts"] if part["kind"] == "say"][:1]
            entry = {"q": answer["why"]["asked"], "section": chunk["heading_path"][-1], "page": chunk["source"]}
            yield from known.asked({**entry, "answers": [each for each in said if each in chunk["text"]]})


class _Known:
    """The indexed chunks by their headings, to find what a question names."""

    def __init__(self, store: Store) -> None:
        self._by_heading: dict[str, list[Chunk]] = {}
        for listed in store.documents():
            for chunk in store.get(listed.document.source):
                self._by_heading.setdefault(chunk.heading_path[-1], []).append(chunk)

    def asked(self, entry: Mapping[str, Any]) -> Iterator[Asked]:
        question = str(entry["q"])
        named = self._by_heading.get(entry.get("section", ""), [])
        on_page = [chunk for chunk in named if chunk.source.endswith(entry.get("page", ""))]
        answerable = entry.get("answerable", entry.get("kind") not in ("near", "far"))
        answers = tuple(entry.get("answers") or _fact(entry.get("must", [])))
        if on_page:
            chunk = next((chunk for chunk in on_page if any(a in chunk.text for a in answers)), on_page[0])
            follows = bool(entry.get("after")) and leans(question)
            asked = with_topic(question, chunk.heading_path[-1]) if follows else question
            yield Asked(asked, chunk, answers, answerable, f"{chunk.source}#{chunk.heading}", follows)
        elif self._by_heading and not answerable:
            yield Asked(question, None, (), False, question)


def _fact(must: Sequence[str]) -> Sequence[str]:
    return must if len(must) == 1 and "|" not in must[0] else []
