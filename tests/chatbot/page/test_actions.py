"""What a person wishes while an answer is under way. The search here is one that takes as long as a test wants."""

import threading
from types import SimpleNamespace

import pytest

from chatbot.answer import Answer, Part
from chatbot.page.actions import Actions

REQUEST = SimpleNamespace(username=None, session_hash="one")


@pytest.fixture
def held(service, monkeypatch):
    """The page's actions, with a search that ends when `go_on` is set; `closed` tells that the work has ended."""
    held = SimpleNamespace(actions=Actions(service), go_on=threading.Event(), closed=threading.Event())

    def stream(question, turns, asker):
        try:
            yield Answer(question)
            held.go_on.wait(60)
            yield Answer(question, state="reading")
            raise AssertionError("nobody waits for this any more")
        finally:
            held.closed.set()

    monkeypatch.setattr(service.assistant, "stream", stream)
    yield held
    held.go_on.set()


def conversation(outputs):
    return str(outputs[1])


def test_an_answer_is_stopped_at_once_though_its_search_goes_on(held):
    shown = held.actions.respond("How many yaks?", [], "", "", None, REQUEST)
    assert next(shown)[0]["stop_btn"], "from here on there is a button"
    held.actions.stop(REQUEST)
    *_, last = shown
    assert "Stopped." in conversation(last)
    assert last[0]["submit_btn"]
    assert not held.closed.is_set()
    held.go_on.set()
    assert held.closed.wait(60)


def test_a_conversation_that_is_opened_takes_the_place_of_an_answer_under_way(held):
    shown = held.actions.respond("How many yaks?", [], "", "", None, REQUEST)
    next(shown)
    assert "Searching" in conversation(next(shown))
    held.actions.start_over("", REQUEST)
    assert list(shown)[-1][1] == []


def test_a_wish_is_for_the_answer_under_way_and_of_its_own_page_alone(held):
    held.actions.stop(REQUEST)
    shown = held.actions.respond("How many yaks?", [], "", "", None, REQUEST)
    next(shown)
    held.actions.stop(SimpleNamespace(username=None, session_hash="two"))
    assert "Searching" in conversation(next(shown))
    shown.close()
    held.go_on.set()
    assert held.closed.wait(60), "who closes the page ends the work"


def test_an_answer_that_cannot_be_given_again_stays_as_it_is_and_is_told_once(service):
    actions = Actions(service)
    refusal = Answer("Yaks?", "done", "none", parts=(Part("say", "Nothing in your notes matches this."),))
    current = service.history.put("", "", 0, refusal.question, "{}")
    service.history.rate("", current, 0, -1, "They are there.")
    [before] = service.history.turns("", current)
    turns = [refusal]
    for _ in range(2):
        *_, last = actions.again(turns, current, "", REQUEST)
        assert conversation(last).count("nothing to answer again") == 1
        turns = last[3]
    assert turns == [refusal]
    assert service.history.turns("", current) == [before]


def test_what_was_wrong_is_kept_of_the_answer_that_was_rated_last(service):
    actions = Actions(service)
    turns = [Answer("one?"), Answer("two?")]
    current = service.history.put("", "", 0, "one?", "{}")
    service.history.put("", current, 1, "two?", "{}")
    for index in (1, 3):
        asking, rated = actions.rate(turns, current, SimpleNamespace(index=index, liked=False), REQUEST)
    assert asking["visible"]
    actions.explain(rated, "Too long.", REQUEST)
    assert [turn.reason for turn in service.history.turns("", current)] == ["", "Too long."]
