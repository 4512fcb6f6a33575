import pytest

from chatbot.answer import Answer, Assistant, Citation
from chatbot.rewrite import leans_on, standalone
from knowledge.documents import Chunk
from knowledge.query import parse

KORNIA = Answer("q", citations=(Citation(1, Chunk("n.md", "n", ("Kornia",), (1, 2), "Text."), ((0, 5),)),))
REFUSED = Answer("who won?", route="none")


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("and how do I install it?", "and how do I install it? (Kornia)"),
        ("what does it cost?", "what does it cost? (Kornia)"),
        ("why?", "why? (Kornia)"),
        ("show me the link", "show me the link (Kornia)"),
        ("the last of these four, how does it crop?", "the last of these four, how does it crop? (Kornia)"),
        ("and what's the difference between the two?", "and what's the difference between the two? (Kornia)"),
        ("how do I use it?", "how do I use it? (Kornia)"),
        ("tell me more", "tell me more (Kornia)"),
        ("how?", "how? (Kornia)"),
        ("what else?", "what else? (Kornia)"),
        ("what should I do?", "what should I do?"),
        ("link to the pandas guide", "link to the pandas guide"),
        ("What is NannyML?", "What is NannyML?"),
        ("How do I tune it with Bayesian search?", "How do I tune it with Bayesian search?"),
        ("which package detects drift?", "which package detects drift?"),
        ("Is there a note about tulips?", "Is there a note about tulips?"),
        ("Are there any discounts?", "Are there any discounts?"),
        ("What is this week's menu?", "What is this week's menu?"),
        ("why is there a T in it?", "why is there a T in it? (Kornia)"),
        ("what does this function return?", "what does this function return? (Kornia)"),
    ],
)
def test_only_a_question_that_leans_on_the_last_answer_gets_its_topic(store, question, asked):
    before = leans_on(question, [KORNIA, REFUSED], store)
    assert before == ((KORNIA.citations[0].chunk,) if asked != question else ())
    assert standalone(question, before) == asked
    assert leans_on(question, [REFUSED], store) == leans_on(question, [], store) == ()


def test_a_question_that_goes_on_with_another_topic_is_about_that(add, store, settings):
    add(
        "## Boiler\nHansen services the boiler.\n## Mountain bike: who looks after it\nMiller services it.\n"
        "## Settings of the boiler on a holiday\nOff.\n## Meeting\nIt was in May.\n## Costs\nMany.\n"
    )
    assistant = Assistant(store, settings, "extract")
    first = assistant.answer("who services the boiler?")
    for question, heading in (
        ("what about the bike?", "Mountain bike"),
        ("and on holiday?", "Boiler"),
        ("when was the last meeting?", "Meeting"),
        ("when was that meeting?", "Meeting"),
        ("what was the first repair?", "Boiler"),
        ("what does that cost?", "Boiler"),
    ):
        *_, second = assistant.stream(question, [first])
        assert second.why.asked == (question if heading != "Boiler" else f"{question} (Boiler)")


def test_where_to_read_on_leans_on_the_last_answer_and_is_no_small_talk(add, store, settings):
    add(
        "## Boiler\nHansen services the boiler.\n[contract](https://hansen.example/)\n## Bike\n[shop](https://bike.example)\n"
    )
    assistant = Assistant(store, settings, "extract")
    first = assistant.answer("who services the boiler?")
    for question in ("where can I read about it?", "and where can I read more?"):
        *_, second = assistant.stream(question, [first])
        assert [link["url"] for link in second.links] == ["https://hansen.example/"]


@pytest.mark.parametrize(
    ("said", "intent"),
    [
        ("how long does it take?", None),
        ("how does it work", None),
        ("tell me more", None),
        ("show me an example", None),
        ("is it safe?", None),
        ("ok", "acknowledgement"),
        ("Got it!", "acknowledgement"),
        ("that was great", "thanks"),
        ("this is helpful", "thanks"),
        ("that is wrong", "complaint"),
        ("are you there?", "greeting"),
        ("can you help me with that?", "help"),
    ],
)
def test_what_asks_more_of_the_last_answer_is_no_small_talk(add, store, settings, said, intent):
    add("## Boiler\nHansen services the boiler.\n")
    assistant = Assistant(store, settings, "extract")
    first = assistant.answer("who services the boiler?")
    *_, second = assistant.stream(said, [first])
    assert (second.intent, second.why.asked) == (intent, said if intent else f"{said} (Boiler)")


def test_marks_in_a_topic_make_no_filter_of_it():
    cited = Answer("q", citations=(Citation(1, Chunk("n.md", "n", ('The "bed" #1',), (1, 2), "Text."), ((0, 5),)),))
    assert parse(standalone("and what does it cost?", [cited.citations[0].chunk])).phrases == ()


def test_a_follow_up_is_answered_from_the_topic_of_the_last_answer(add, store, settings):
    add(
        "## Boiler\nThe boiler is serviced by Hansen every October. It costs 120 euros a year.\n"
        "## Bike\nThe bike is serviced by Miller. It costs 80 euros a year.\n"
    )
    assistant = Assistant(store, settings, "extract")
    for thing, cost in (("boiler", "120 euros"), ("bike", "80 euros")):
        first = assistant.answer(f"who services the {thing}?")
        *_, second = assistant.stream("and what does it cost?", [first])
        assert second.question == "and what does it cost?"
        assert second.citations[0].chunk.heading_path == (thing.title(),)
        assert cost in second.text


def test_what_the_last_answer_cited_is_looked_at_again_among_better_matches(add, store, settings):
    add("## Boiler\nThe boiler is serviced by Hansen every October.\n", "house/boiler.md")
    loud = "".join(f"## Boiler {n}\nWhat does it cost? Boiler {n} costs {n} euros.\n" for n in range(20, 40))
    add(loud, "shop.md")
    assistant = Assistant(store, settings, "extract")
    first = assistant.answer("in:house who services the boiler?")
    for question, is_found in (("and what does it cost?", True), ("in:shop.md and what does it cost?", False)):
        *_, second = assistant.stream(question, [first])
        found = [hit.chunk.heading for hit in second.why.candidates]
        assert found.count("Boiler") == is_found, "a filter holds for it too"
        assert found[0] != "Boiler", "it gets the place that its score gives it"
