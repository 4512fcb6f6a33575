"""The notes for programs that speak the Model Context Protocol (https://modelcontextprotocol.io)."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from chatbot.records import hit_record
from chatbot.server.conversation import following
from knowledge.errors import NotesError

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from chatbot.answer import Assistant
    from knowledge.store import Store

_INSTRUCTIONS = (
    "The person's own notes and the articles that they link to. ask_notes gives a short answer with citations, or says "
    "that the notes do not answer; search_notes lists passages; read_note gives all of a source that they name."
)
Text = Annotated[str, Field(min_length=1, max_length=2000)]


def server(assistant: "Assistant", store: "Store") -> "MCPServer":
    """The server with its three tools, none of which changes anything."""
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import ToolAnnotations

    tools = MCPServer("askmynotes", instructions=_INSTRUCTIONS, log_level="ERROR")
    reading = ToolAnnotations(read_only_hint=True, open_world_hint=False)

    @tools.tool(annotations=reading)
    def search_notes(query: Text, k: Annotated[int, Field(ge=1, le=50)] = 5) -> dict[str, Any]:
        """The passages that fit a query best, with where they stand and their links. Filters may stand in the query:
        [[note]], #tag, in:folder, site:example.org, kind:article, "quoted words", after:2024."""
        try:
            hits = store.search(query, k)
        except NotesError as error:
            raise ToolError(str(error)) from error
        return {"hits": [hit_record(rank, hit, store) for rank, hit in enumerate(hits, start=1)]}

    @tools.tool(annotations=reading)
    async def ask_notes(question: Text) -> dict[str, Any]:
        """A short answer to a question from the notes, with numbered citations; the route "none" says that the notes do
        not answer it."""
        # followed, not awaited whole: a request that is cancelled, or whose client leaves, ends its generation
        try:
            async with aclosing(following(assistant.stream(question, asker="mcp"))) as answers:
                *_, answer = [each async for each in answers]
        except NotesError as error:
            raise ToolError(str(error)) from error
        return answer.as_dict()

    @tools.tool(annotations=reading)
    def read_note(source: Annotated[str, Field(min_length=1, max_length=4096)]) -> dict[str, Any]:
        """The whole text of a note or article, by the source that the other tools name."""
        chunks = store.get(source)
        if not chunks:
            raise ToolError(f"there is no source {source!r}: search_notes and ask_notes name them")
        sections = [{"heading_path": chunk.heading_path, "lines": chunk.lines, "text": chunk.text} for chunk in chunks]
        return {"source": source, "title": chunks[0].title, "url": chunks[0].address, "sections": sections}

    return tools
