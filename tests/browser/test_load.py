"""Several people at once, and a model that takes its time: who waits sees why, and can leave."""

from contextlib import closing

import pytest

from ingest.pipeline import ingest
from knowledge.store import Store
from tests.browser.held import HeldModel
from tests.browser.steps import PHONE, ask, finished, fits
from tests.conftest import HOUSE, make_settings
from tests.server import Server

QUESTION = "When is the boiler serviced?"


@pytest.fixture
def held(tmp_path, models):
    """A model that is held, and the server that asks it."""
    settings = make_settings(tmp_path / "held", models)
    (tmp_path / "house.md").write_text(HOUSE)
    with closing(Store(settings)) as store:
        ingest(store, settings, [tmp_path / "house.md"])
    with HeldModel() as model:
        settings.config.write_text(
            f'engine = "openai"\nopenai_url = "{model.url}"\nopenai_model = "held"\nanswer_seconds = 600\n'
        )
        server = Server(settings)
        yield model, server.url
        server.stop()


def state(page):
    return page.locator("#conversation .answer .state")


def stop(page):
    page.locator("#question .stop-button").click()


def test_who_waits_sees_how_many_are_ahead_and_the_passages_and_an_answer_can_be_stopped_at_any_time(held, open_page):
    model, url = held
    first, second = open_page(url=url), open_page(PHONE, url=url)
    ask(first, QUESTION)
    reading = model.reply()
    ask(second, "What does the contract cost?")
    state(second).filter(has_text="Waiting: 1 ahead of you").wait_for()
    second.locator("#sources article").get_by_text("120 euros").first.wait_for()
    assert fits(second)

    stop(second)
    assert "Stopped." in finished(second, 1), "while it waits"
    assert not reading.left.is_set()
    stop(first)
    assert "Stopped." in finished(first, 1), "while the model reads"
    assert reading.left.wait(60), "the model is let go"

    ask(first, QUESTION)
    writing = model.reply()  # who left the queue is forgotten: this is of the one who asks now
    writing.say("The boiler is serviced by Hansen & Sons every October. [1]\nIt is")
    first.locator("#conversation .answer .said").filter(has_text="every October").wait_for()
    assert state(first).inner_text() == "Writing …"
    stop(first)
    assert "every October" in (answer := finished(first, 2)), "what was said stays"
    assert "Stopped." in answer
    assert writing.left.wait(60)

    ask(second, QUESTION)
    whole = model.reply()
    whole.say("The boiler is serviced every October. [1]")
    whole.end()
    answer = finished(second, 2)
    assert "every October" in answer
    assert "Stopped." not in answer

    ask(first, QUESTION)
    read_on = model.reply()
    first.close()
    assert read_on.left.wait(60), "who closes the page frees the model too"
    assert second.errors == []
