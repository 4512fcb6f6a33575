"""The page as a person meets it: a real server, a real Chromium, the real model."""

import time

import pytest

from ingest.pipeline import ingest
from knowledge.history import History
from knowledge.models import BASE_LANGUAGE_MODEL
from knowledge.store import Store
from tests.browser.steps import DESKTOP, PHONE, ask, finished
from tests.conftest import NOTES, make_settings
from tests.server import Server


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_a_question_is_answered_and_its_citation_opens_the_passage(open_page, viewport, scheme):
    page = open_page(viewport, scheme)
    ask(page, "Which package finds drift in a deployed model?")
    page.wait_for_selector("#conversation .answer .state")
    assert "NannyML" in finished(page, 1)

    page.locator("#conversation a.cite").last.click()
    passage = page.locator("#sources article.shown")
    passage.wait_for()
    page.wait_for_timeout(800)  # the page scrolls smoothly
    top = passage.bounding_box()["y"]
    assert -50 <= top < viewport["height"]
    assert "NannyML" in passage.locator("mark").all_inner_texts().__str__()
    assert "mlops.md, line" in passage.inner_text()
    assert passage.locator(".links a").count() >= 1

    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every(v => v < 90)")
    assert dark == (scheme == "dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert page.outside == []
    assert page.errors == []


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_why_unfolds_beside_the_passages_and_fits(open_page, viewport, scheme):
    page = open_page(viewport, scheme)
    ask(page, "Which package finds drift in a deployed model?")
    finished(page, 1)
    panel = page.locator("#sources .why")
    assert not panel.locator("table").first.is_visible()
    panel.locator("summary").click()
    shown = panel.inner_text()
    for part in ("Which package finds drift", "the notes answer this: probability", "best cosine", "mlops.md, lines"):
        assert part in shown
    fits = "box => [...box.querySelectorAll('*')].every(e => e.getBoundingClientRect().right <= innerWidth)"
    assert panel.evaluate(fits)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]

    ask(page, "Who won the chess world championship in 1972?")
    assert "do not mention" in finished(page, 2)
    panel.locator("summary").click()
    assert "Who won the chess world championship" in panel.inner_text(), "a refusal has its reasons too"
    assert page.errors == []


def test_a_second_citation_leads_to_its_own_turn(open_page):
    page = open_page()
    ask(page, "Which package finds drift in a deployed model?")
    finished(page, 1)
    ask(page, "How does the Runge phenomenon come about?")
    finished(page, 2)
    page.locator("#conversation .answer").first.locator("a.cite").first.click()
    page.locator("#sources article.shown").wait_for()
    assert "drift" in page.locator("#sources article.shown").inner_text().lower()


def test_an_answer_can_be_stopped_and_the_next_one_comes(open_page, tmp_path, models):
    from playwright.sync_api import TimeoutError

    # long sentences, and the model that is not tuned to few words: there is time for a click
    text = " ".join(f"The boiler of house {n} hums {'and hums ' * 50}in May." for n in range(6))
    (tmp_path / "note.md").write_text(f"## Humming\n{text}\n")
    settings = make_settings(tmp_path / "slow", models)
    (settings.home / "config.toml").write_text(f'model = "{BASE_LANGUAGE_MODEL}"\n')
    store = Store(settings)
    ingest(store, settings, [tmp_path / "note.md"])
    store.close()
    own = Server(settings)
    try:
        page = open_page(url=own.url)
        seen = False
        for _ in range(5):  # another try where it was done before the click all the same
            ask(page, "When does the boiler hum, in every detail?")
            stop = page.locator("#question button").filter(has_not=page.locator(".submit-button")).last
            try:
                page.wait_for_selector("#conversation .answer .state", timeout=5000)
                stop.click(timeout=5000)
            except TimeoutError:
                continue
            page.wait_for_function("!document.querySelector('#conversation .answer .state')", timeout=5000)
            if "Stopped." in page.locator("#conversation .answer").last.inner_text():
                seen = True
                break
        assert seen
        count = page.locator("#conversation .answer").count()
        ask(page, "hello")
        assert "Stopped" not in finished(page, count + 1)
    finally:
        own.stop()


def test_the_examples_come_from_the_index_and_can_be_asked(open_page):
    page = open_page()
    examples = page.locator("#conversation button.example")
    examples.first.wait_for()
    text = examples.first.inner_text()
    examples.first.click()
    finished(page, 1)
    assert text in page.locator("#conversation").inner_text()
    page.locator("#new").click()
    page.wait_for_function("!document.querySelector('#conversation .answer')")
    assert "appear here" in page.locator("#sources").inner_text()


def test_a_note_added_or_removed_by_another_process_is_seen_by_the_next_question(open_page, server, tmp_path, run):
    page = open_page()
    question = "How many zebras live in the Zanzibar enclosure?"
    ask(page, question)
    assert "do not answer" in finished(page, 1)
    note = tmp_path / "zoo" / "zoo.md"
    note.parent.mkdir()
    note.write_text("## Zebras in the Zanzibar enclosure\nFourteen zebras live in the Zanzibar enclosure.\n")
    assert run("ingest", note.parent, home=server.settings.home).returncode == 0
    ask(page, question)
    assert "Fourteen zebras" in finished(page, 2)
    note.unlink()
    assert run("ingest", note.parent, home=server.settings.home).returncode == 0
    ask(page, question)
    assert "Fourteen" not in finished(page, 3)


def listed(page):
    return page.locator("#listing button[data-do=select]").all_inner_texts()


def open_list(page):
    page.wait_for_timeout(500)  # it slides
    if page.viewport_size["width"] < 1000 and page.locator("#new").bounding_box()["x"] < 0:  # else it opens by itself
        page.locator("button.toggle-button").click()
    page.wait_for_function("document.querySelector('#new').getBoundingClientRect().x > 0")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_conversations_are_kept_searched_renamed_and_deleted_with_a_way_back(open_page, server, tmp_path, viewport):
    settings = make_settings(tmp_path / "kept", server.settings.models)
    store = Store(settings)
    ingest(store, settings, [NOTES])
    store.close()
    own = Server(settings, "--engine", "extract")
    page = open_page(viewport, url=own.url)
    ask(page, "Which package finds drift in a deployed model?")
    finished(page, 1)
    open_list(page)
    page.locator("#new").click()
    page.wait_for_function("!document.querySelector('#conversation .answer')")
    ask(page, "How does the Runge phenomenon come about?")
    finished(page, 1)
    own.stop()

    own = Server(settings, "--engine", "extract")
    try:
        page = open_page(viewport, url=own.url)  # another browser, after a restart
        open_list(page)
        page.locator("#listing button").nth(1).wait_for()
        assert [title.split()[0] for title in listed(page)] == ["How", "Which"]
        page.locator("#find textarea, #find input").fill("nannyml")
        page.wait_for_function("document.querySelectorAll('#listing button[data-do=select]').length === 1")
        page.locator("#listing button[data-do=select]").click()
        assert "NannyML" in finished(page, 1)
        assert "NannyML" in page.locator("#sources mark").all_inner_texts().__str__()
        open_list(page)
        assert "NannyML" in page.evaluate("fetch(document.querySelector('#listing .more a').href).then(r => r.text())")
        page.locator("#name textarea, #name input").fill("Drift")
        page.locator("#name textarea, #name input").press("Enter")
        page.get_by_role("button", name="Drift", exact=True).wait_for()
        page.locator("#listing button[data-do=delete]").click()
        page.wait_for_function("!document.querySelector('#conversation .answer')")
        assert "Drift" not in listed(page)
        page.locator("#listing button[data-do=undo]").click()
        finished(page, 1)
        assert "Drift" in listed(page)
        assert page.errors == []
        assert page.outside == []
    finally:
        own.stop()


def test_a_question_is_edited_answered_again_and_rated(open_page, server):
    page = open_page()
    ask(page, "Which package finds drift in a deployed model?")
    finished(page, 1)
    ask(page, "hello")
    finished(page, 2)
    page.get_by_role("button", name="Edit: Which package").press("Enter")
    page.get_by_text("You are editing question 1. Asking it drops the question after it.").wait_for()
    assert page.evaluate("document.activeElement.value") == "Which package finds drift in a deployed model?"
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.wait_for_function("!document.querySelector('#question textarea').value")
    assert page.locator("#conversation .answer").count() == 2
    page.get_by_role("button", name="Edit: Which package").click()
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
    [turn] = History(server.settings.home).rated(-1)
    assert (turn.question, turn.reason) == ("How does the Runge phenomenon come about?", "I meant the other one")


def test_hostile_notes_load_and_run_nothing(open_page, tmp_path, models):
    settings = make_settings(tmp_path / "hostile", models)
    note = tmp_path / "notes" / '"><img src=x onerror=window.hacked=1>.md'
    note.parent.mkdir()
    note.write_text(
        "## Attack plan <img src=x onerror=window.hacked=1>\n"
        "The attack plan says ![x](http://evil.example/?q=1) and <script>window.hacked=1</script>.\n\n"
        "- attack plan <img src=http://evil.example/2.png onerror=window.hacked=1>\n"
        "- attack plan [click](javascript:window.hacked=1) <svg onload=window.hacked=1>\n"
        "- attack plan ![x][1] <details open ontoggle=window.hacked=1>\n"
        "- attack plan <div style='background:url(http://evil.example/4.png)'>x</div> &lt;img src=http://evil.example/5&gt;\n"
        "- attack plan <a href=http://evil.example ping=http://evil.example/6>x</a> <style>@import 'http://evil.example/7'"
        "</style>\n\n[1]: http://evil.example/3.png\n"
    )
    store = Store(settings)
    ingest(store, settings, [note.parent])
    store.close()
    server = Server(settings, "--engine", "extract")
    try:
        page = open_page(url=server.url)
        ask(page, "what does the attack plan say?")
        assert "attack plan" in finished(page, 1)
        time.sleep(1)
        assert page.evaluate("window.hacked") is None
        assert page.outside == []
        assert page.locator("#conversation .answer img, #sources img, #sources script").count() == 0
    finally:
        server.stop()


def test_another_name_for_this_machine_is_not_answered(server):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rsplit(":", 1)[1].strip("/")), timeout=30)
    connection.request("GET", "/", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 403
