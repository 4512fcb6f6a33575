"""The notes as a LangChain retriever, for chains and agents of one's own."""

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from knowledge.store import Store


class NotesRetriever(BaseRetriever):
    """Gives the `k` best passages of a store for a query.

    `page_content` is the passage; `metadata` holds source, first and last line, heading, title, url, links (a list of
    addresses) and the score.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    store: Store
    k: int = 4

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [
            Document(
                page_content=hit.chunk.text,
                metadata={
                    "source": hit.chunk.source,
                    "lines": list(hit.chunk.lines),
                    "heading": hit.chunk.heading,
                    "title": hit.chunk.title,
                    "url": hit.chunk.address,
                    "links": [link.url for link in hit.chunk.links if link.url],
                    "score": hit.score,
                },
            )
            for hit in self.store.search(query, self.k)
        ]
