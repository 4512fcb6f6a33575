"""Make a question that leans on the conversation stand by itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from knowledge.documents import Chunk
from knowledge.follow_up import leans, with_topic

if TYPE_CHECKING:
    from chatbot.answer import Answer


def standalone(question: str, earlier: "Sequence[Answer]") -> str:
    """`question` with the topic of the last answer from the notes added, where it leans on it; else as it is."""
    sections = leans_on(question, earlier)
    return with_topic(question, sections[0].heading_path[-1]) if sections else question


def leans_on(question: str, earlier: "Sequence[Answer]") -> tuple[Chunk, ...]:
    """The sections that the last answer from the notes cites, where `question` leans on it; else none."""
    cited = next((turn.citations for turn in reversed(earlier) if turn.citations), ())
    return tuple(citation.chunk for citation in cited) if leans(question) else ()
