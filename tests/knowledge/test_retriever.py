from langchain_core.runnables import RunnableLambda

from knowledge.retriever import NotesRetriever


def test_the_notes_work_as_a_retriever_in_a_langchain_chain(add, store):
    add("## Boiler\nServiced by Hansen. [contract](https://hansen.example)\n## Bike\nPump it up.\n")
    retriever = NotesRetriever(store=store, k=1)
    chain = retriever | RunnableLambda(lambda documents: documents[0])
    document = chain.invoke("who services the boiler?")
    assert document.page_content.startswith("Serviced by Hansen.")
    assert document.metadata["lines"] == [1, 2]
    assert document.metadata["links"] == ["https://hansen.example"]
    assert len(retriever.batch(["boiler", "bike"])) == 2
