"""Make a question that leans on the conversation stand by itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from knowledge.documents import Chunk
from knowledge.evidence import stems
from knowledge.follow_up import leans, may_name_a_topic, own_words, with_topic
from knowledge.store import Store

if TYPE_CHECKING:
    from chatbot.answer import Answer

#: The share of a heading's words, up to a colon, with which a question names it.
_NAMED = 0.5


def leans_on(question: str, earlier: "Sequence[Answer]", store: Store) -> tuple[Chunk, ...]:
    """The sections that the last answer from the notes cites, where `question` leans on it; else none."""
    cited = next((turn.citations for turn in reversed(earlier) if turn.citations), ())
    sections = tuple(citation.chunk for citation in cited)
    if not leans(question) or (may_name_a_topic(question) and _names_another(question, sections, store)):
        return ()
    return sections


def _names_another(question: str, sections: Sequence[Chunk], store: Store) -> bool:
    """Whether what is found for a question by itself has all its words in its heading, and is none of the sections."""
    found = [hit.chunk.heading_path for hit in store.search(question, 1)]
    if not found or found[0] in [section.heading_path for section in sections]:
        return False
    asked, named = stems(" ".join(own_words(question))), stems(found[0][-1].partition(":")[0])
    return bool(asked) and asked <= named and len(asked) >= _NAMED * len(named)


def standalone(question: str, sections: Sequence[Chunk]) -> str:
    """`question` with the topic of the sections that it leans on added; as it is where there are none."""
    return with_topic(question, sections[0].heading_path[-1]) if sections else question
