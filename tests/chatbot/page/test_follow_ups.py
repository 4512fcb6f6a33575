from chatbot.answer import Assistant
from chatbot.page.follow_ups import follow_ups

NOTE = """# House
## Boiler service
The boiler is serviced by Hansen every October.

## Boiler repairs
Call Hansen when the boiler drips.

## Bike tyres: pressure
Pump the tyres to 6 bar.

## Where is the key?
Under the mat.
"""


def test_follow_ups_are_headings_beside_what_was_cited(add, store, settings):
    add(NOTE)
    assistant = Assistant(store, settings, "extract")
    first = assistant.answer("When is the boiler serviced?")
    assert first.citations[0].chunk.heading_path[-1] == "Boiler service"
    offered = follow_ups([first], store)
    assert set(offered) <= {
        "What do my notes say about Boiler repairs?",
        "What do my notes say about Bike tyres?",
        "Where is the key?",
    }
    assert "What do my notes say about Boiler repairs?" in offered
    second = assistant.answer(offered[0])
    assert second.citations
    assert not set(follow_ups([first, second], store)) & {offered[0], "What do my notes say about Boiler service?"}


def test_small_talk_has_no_follow_ups(add, store, settings):
    add(NOTE)
    assert follow_ups([Assistant(store, settings, "extract").answer("hello")], store) == []
