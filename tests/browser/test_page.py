"""The page as a person meets it: a real server, a real Chromium, and where its words matter the real model."""

import http.client
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from ingest.pipeline import ingest
from knowledge.history import History
from knowledge.store import Store
from tests.browser.steps import DESKTOP, PHONE, ask, finished, fits, is_dark, open_tab, violations

TABS = {
    "Library": "#listed .name",
    "Models": "#models li",
    "Settings": "#set-answer_seconds input",
    "Ask": "#question textarea",
}
WIDE = {"width": 3840, "height": 2160}

_IN_VIEW = """() => {
    const place = document.querySelector("#sources article.shown")?.getBoundingClientRect();
    return place && place.top > -50 && place.top < innerHeight;
}"""
_INSIDE = "box => [...box.querySelectorAll('*')].every(e => e.getBoundingClientRect().right <= innerWidth)"


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_an_answer_its_passages_its_reasons_and_every_tab_are_shown_to_everybody(open_page, server, viewport, scheme):
    page = open_page(viewport, scheme, url=server.url)
    ask(page, "Which package finds drift in a deployed model?")
    assert "NannyML" in finished(page, 1)
    assert is_dark(page) == (scheme == "dark")

    page.locator("#conversation a.cite").last.click()
    page.wait_for_function(_IN_VIEW)
    passage = page.locator("#sources article.shown")
    assert "NannyML" in str(passage.locator("mark").all_inner_texts())
    assert "mlops.md, line" in passage.inner_text()
    assert passage.locator(".links a").count() >= 1

    why = page.locator("#sources .why")
    assert not why.locator("table").first.is_visible()
    why.locator("summary").click()
    shown = why.inner_text()
    for part in ("Which package finds drift", "the notes answer this: probability", "best cosine", "mlops.md, lines"):
        assert part in shown
    assert why.evaluate(_INSIDE)

    assert page.locator("#tabs > .tab-wrapper [role=tab]").count() == len(TABS)
    for tab, content in TABS.items():
        open_tab(page, tab, content)
        assert violations(page) == {}, tab
        assert fits(page), tab
        if viewport == DESKTOP:
            page.set_viewport_size(WIDE)
            assert fits(page), tab
            page.set_viewport_size(DESKTOP)

    ask(page, "Who won the chess world championship in 1972?")
    assert "do not mention" in finished(page, 2)
    why.locator("summary").click()
    assert "Who won the chess world championship" in why.inner_text(), "a refusal has its reasons too"
    assert page.outside == []
    assert page.errors == []


def test_a_question_is_edited_answered_again_and_rated(open_page, server):
    page = open_page(url=server.url)
    ask(page, "Hello")
    finished(page, 1)
    ask(page, "hello again")
    finished(page, 2)
    page.get_by_role("button", name="Edit “Hello”").press("Enter")
    page.get_by_text("You are editing question 1. Asking it drops the question after it.").wait_for()
    assert page.evaluate("document.activeElement.value") == "Hello"
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.wait_for_function("!document.querySelector('#question textarea').value")
    assert page.locator("#conversation .answer").count() == 2
    page.get_by_role("button", name="Edit “Hello”").click()
    page.get_by_text("You are editing question 1").wait_for()
    ask(page, "How does the Runge phenomenon come about?")
    before = finished(page, 1)
    assert not page.get_by_text("You are editing").is_visible()
    page.get_by_label("Retry").last.click()
    page.wait_for_function("before => document.querySelector('#conversation .answer').innerText !== before", arg=before)
    assert "[1]" in finished(page, 1)
    page.get_by_label("Dislike").last.click()
    page.locator("#reason textarea, #reason input").fill("I meant the other one")
    page.locator("#reason textarea, #reason input").press("Enter")
    page.wait_for_function("!document.querySelector('#reason')")
    with closing(History(server.settings.home)) as history:
        [turn] = history.rated(-1)
    assert (turn.question, turn.reason) == ("How does the Runge phenomenon come about?", "I meant the other one")


def test_a_note_added_or_removed_by_another_process_is_seen_by_the_next_question(open_page, quoting, tmp_path):
    note = tmp_path / "zoo" / "zoo.md"
    note.parent.mkdir()
    page = open_page(url=quoting.url)
    ask(page, "How many zebras live in the Zanzibar enclosure?")
    assert "do not answer" in finished(page, 1)
    with closing(Store(quoting.settings)) as store:
        note.write_text("## Zebras in the Zanzibar enclosure\nFourteen zebras live in the Zanzibar enclosure.\n")
        ingest(store, quoting.settings, [note.parent])
        ask(page, "How many zebras live in the Zanzibar enclosure?")
        assert "Fourteen zebras" in finished(page, 2)
        note.unlink()
        ingest(store, quoting.settings, [note.parent])
        ask(page, "How many zebras live in the Zanzibar enclosure?")
        assert "Fourteen" not in finished(page, 3)


def listed(page):
    return page.locator("#listing button[data-do=select]").all_inner_texts()


def open_list(page):
    """Where it is folded away, as on a phone, and as it is again when a conversation was opened."""
    page.wait_for_function("document.querySelector('#new').getBoundingClientRect().x < 0")
    page.locator("#conversations .toggle-button").click()
    page.wait_for_function("document.querySelector('#new').getBoundingClientRect().x > 0")


def test_conversations_are_kept_searched_renamed_and_deleted_with_a_way_back(open_page, quoting):
    page = open_page(PHONE, url=quoting.url)
    ask(page, "How is the slicer sharpened?")
    finished(page, 1)
    open_list(page)
    page.locator("#new").click()
    page.wait_for_function("!document.querySelector('#conversation .answer')")
    assert "appear here" in page.locator("#sources").inner_text()
    ask(page, "What does rye need?")
    finished(page, 1)

    page = open_page(PHONE, url=quoting.url)  # another browser
    open_list(page)
    page.locator("#listing button").nth(1).wait_for()
    assert listed(page)[:2] == ["What does rye need?", "How is the slicer sharpened?"]
    page.locator("#find textarea, #find input").fill("SLICER SHARP")
    page.wait_for_function("document.querySelectorAll('#listing button[data-do=select]').length === 1")
    page.locator("#listing button[data-do=select]").click()
    assert "whetstone" in finished(page, 1)
    assert "whetstone" in str(page.locator("#sources mark").all_inner_texts())
    open_list(page)
    assert "whetstone" in page.evaluate("fetch(document.querySelector('#listing .more a').href).then(r => r.text())")
    page.locator("#name textarea, #name input").fill("Blades")
    page.locator("#name textarea, #name input").press("Enter")
    page.locator("#listing").get_by_role("button", name="Blades", exact=True).wait_for()
    page.locator("#listing button[data-do=delete]").click()
    page.wait_for_function("!document.querySelector('#conversation .answer')")
    assert "Blades" not in listed(page)
    page.locator("#listing button[data-do=undo]").click()
    finished(page, 1)
    assert "Blades" in listed(page)
    assert fits(page)
    assert page.errors == []
    assert page.outside == []


def test_hostile_notes_load_and_run_nothing(open_page, quoting):
    page = open_page(url=quoting.url)
    ask(page, "what does the attack plan say?")
    assert "attack plan" in finished(page, 1)
    assert page.locator("#conversation .answer img, #sources img, #sources script").count() == 0
    open_tab(page, "Library", "#listed .name")
    assert "onerror" in page.locator("#listed").inner_text()
    # an image that fails after all that could have been loaded before
    page.evaluate("new Promise(done => { const image = new Image(); image.onerror = done; image.src = '/no-image'; })")
    assert page.evaluate("window.hacked") is None
    assert page.outside == []


def test_another_name_for_this_machine_is_not_answered(quoting):
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(quoting.url).port, timeout=60)
    connection.request("GET", "/", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 403
