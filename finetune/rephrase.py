"""Other ways to ask the same, written by a language model that the person has, and kept only where they do ask it."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from finetune.dataset import Asked
from knowledge.prompt import Prompt
from knowledge.scores import fact_pattern
from knowledge.store import Store
from knowledge.text import STOP_WORDS, words

_INSTRUCTION = (
    "Write the question in three other ways, one a line, as a person types it who searches their own notes. Keep the "
    "meaning, every name and every number. Write nothing else."
)
#: So many ways of asking are kept of a question.
_KEPT = 2
#: The cosine to the question from which a way of asking means the same.
_SAME = 0.7
#: A way of asking may have so many times the words of the question, and a few more.
_LONGER, _MORE = 2, 4
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):])\s+")


@dataclass
class Kept:
    """How many ways of asking were written and how many kept."""

    written: int = 0
    kept: int = 0


def rephrased(
    asked: Sequence[Asked], engine: str, write: Callable[[Prompt], str], store: Store, file: Path, counted: Kept
) -> Iterator[list[Asked]]:
    """For each question up to two other ways to ask it, which `write`, the engine of that name, was asked for.

    What was written is kept in `file` as it comes, and not asked for again. What comes of it is counted in `counted`.
    """
    replies = _read(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as kept:
        for each in asked:
            key = hashlib.sha256(f"{engine} {_INSTRUCTION} {each.question}".encode()).hexdigest()
            if key not in replies:
                replies[key] = write(Prompt(_INSTRUCTION, f"Question: {each.question}"))
                # begun with a new line: the one before may have been cut off
                kept.write("\n" + json.dumps({"key": key, "question": each.question, "reply": replies[key]}))
                kept.flush()
            ways = _ways(replies[key])
            good = _good(each, ways, store)[:_KEPT]
            counted.written += len(ways)
            counted.kept += len(good)
            yield [replace(each, question=way) for way in good]


def _read(file: Path) -> dict[str, str]:
    """Replies by key; a last line that was cut off is passed over."""
    replies = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            entry = json.loads(line)
            replies[entry["key"]] = str(entry["reply"])
        except (ValueError, KeyError, TypeError):
            continue
    return replies


def _ways(reply: str) -> list[str]:
    """The lines of a reply, without the marks of a list and quotes around them, each once."""
    lines = (_LIST_MARK.sub("", line).strip().strip("\"'“”").strip() for line in reply.splitlines())
    return list(dict.fromkeys(filter(None, lines)))


def _good(asked: Asked, ways: Sequence[str], store: Store) -> list[str]:
    """Those that ask the same: with its names and numbers and no others, not the answer, and near it in meaning."""
    question = asked.question
    fitting = [
        way
        for way in ways
        if words(way) != words(question)
        and len(words(way)) <= _LONGER * len(words(question)) + _MORE
        and _names(question) <= {word.lower() for word in _tokens(way)}
        and _numbers(way) == _numbers(question)
        and not any(fact_pattern(a).search(way) and not fact_pattern(a).search(question) for a in asked.answers)
    ]
    if not fitting:
        return []
    vectors = store.vectors_of([question, *fitting])
    return [way for way, same in zip(fitting, vectors[1:] @ vectors[0], strict=True) if same >= _SAME]


def _names(question: str) -> set[str]:
    """Words that are names by how they are written: with a capital behind the beginning, or digits and inner marks."""
    first, *others = _tokens(question) or [""]
    named = [word for word in others if word[0].isupper()] + [first] * any(map(str.isupper, first[1:]))
    odd = [word for word in (first, *others) if re.search(r"\w[\d._/-]|\d\w", word)]
    return {word.lower() for word in (*named, *odd)} - STOP_WORDS


def _tokens(text: str) -> list[str]:
    return [token.strip("._/-") for token in re.findall(r"[\w.+#/-]*\w[+#]*", text)]


def _numbers(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+(?:[.,]\d+)*", text))
