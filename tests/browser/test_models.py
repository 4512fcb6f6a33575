"""The tabs "Models" and "Settings", and the offline mark, as a person meets them."""

import json
import urllib.request

import pytest

from ingest.pipeline import ingest
from knowledge.settings import load_settings
from knowledge.store import Store
from tests.browser.steps import DESKTOP, PHONE, ask, finished
from tests.conftest import HOUSE, make_settings
from tests.server import Server

NOBODY = "192.0.2.1"  # an address that is nobody's, for documentation: https://www.rfc-editor.org/rfc/rfc5737


@pytest.fixture(scope="module")
def own(tmp_path_factory, models):
    """A server whose settings may be changed."""
    settings = make_settings(tmp_path_factory.mktemp("own"), models)
    settings.config.write_text(f'# mine\nallow_private_hosts = ["{NOBODY}"]\n')
    note = settings.home.parent / "house.md"
    note.write_text(HOUSE)
    store = Store(settings)
    ingest(store, settings, [note])
    store.close()
    servers = [Server(settings)]
    yield servers
    servers[-1].stop()


def open_tab(page, name):
    page.get_by_role("tab", name=name).click()


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def is_dark(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every(v => v < 90)")


def test_another_engine_answers_at_once_and_settings_are_kept(open_page, own):
    page = open_page(url=own[-1].url)
    open_tab(page, "Models")
    page.get_by_text("138 MB · apache-2.0").wait_for()
    assert page.locator("#models .now").first.inner_text() == "answers now"
    page.get_by_role("button", name="Use extract").click()
    page.get_by_text("extract answers from the next question on").wait_for()
    open_tab(page, "Ask")
    ask(page, "When is the boiler serviced?")
    assert "quoted from your notes" in finished(page, 1)

    open_tab(page, "Settings")
    page.wait_for_function("document.querySelector('#set-answer_seconds input')?.value === '120'")
    page.locator("#set-answer_seconds input").fill("-3")
    page.locator("#set-fetch_links input").check()
    page.locator("#save").click()
    page.locator("#set-answer_seconds").get_by_text("must be 1 or more").wait_for()
    assert "Nothing was saved" in page.get_by_role("alert").inner_text()
    assert load_settings(own[-1].settings.home).fetch_links is False
    page.locator("#set-answer_seconds input").fill("45")
    page.locator("#set-max_file_mb input").fill("3")
    page.locator("#set-openai_key input").fill("sk-secret")
    page.locator("#save").click()
    page.get_by_text("no restart is needed").wait_for()
    assert own[-1].settings.config.read_text().startswith("# mine\n")
    open_tab(page, "Library")
    page.locator(f"#drop [data-largest='{3 * 2**20}']").wait_for()

    own[-1].stop()
    own.append(Server(own[-1].settings))
    page = open_page(url=own[-1].url)
    open_tab(page, "Settings")
    page.wait_for_function("document.querySelector('#set-answer_seconds input')?.value === '45'")
    page.wait_for_function("document.querySelector('#set-engine input:checked')?.value === 'extract'")
    assert page.locator("#set-openai_key input").input_value() == ""
    assert "sk-secret" not in page.content() + page.evaluate("fetch('config').then(answer => answer.text())")
    assert page.errors == []
    assert page.outside == []


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_light_or_dark_is_remembered_from_the_first_moment_on(open_page, own, viewport, scheme):
    other = "Light" if scheme == "dark" else "Dark"
    page = open_page(viewport, scheme, own[-1].url)
    assert is_dark(page) == (scheme == "dark"), "the system decides first"
    open_tab(page, "Settings")
    page.locator("#theme").get_by_label(other).check()
    page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=other == "Dark")
    shown = "window.first = getComputedStyle(document.body).backgroundColor"
    page.add_init_script(f"addEventListener('DOMContentLoaded', () => {{ {shown}; }})")
    page.reload()
    page.wait_for_selector("#question textarea")
    assert is_dark(page) == (other == "Dark")
    first = page.evaluate("window.first.match(/\\d+/g).slice(0, 3).every(v => v < 90)")
    assert first == (other == "Dark"), "no flash of the other one"
    open_tab(page, "Settings")
    page.wait_for_function("it => document.querySelector('#theme input:checked')?.value === it", arg=other.lower())
    assert fits(page)
    page.locator("#theme").get_by_label("As the system").check()
    page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=scheme == "dark")
    open_tab(page, "Models")
    page.locator("#models li").first.wait_for()
    assert fits(page)


def test_the_offline_mark_counts_what_leaves_and_says_where_to(open_page, own):
    page = open_page(url=own[-1].url)
    page.get_by_text("Offline: no connection has left this computer since").wait_for()
    body = json.dumps({"paths": [f"http://{NOBODY}/"]}).encode()
    request = urllib.request.Request(f"{own[-1].url}api/ingest", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=30).close()
    page.locator("#mark").get_by_text("to outside since").wait_for()
    open_tab(page, "Settings")
    page.locator("#mark summary").click()
    page.locator("#mark li").get_by_text(NOBODY).wait_for()
    counted = urllib.request.urlopen(f"{own[-1].url}metrics", timeout=30).read().decode()
    assert "askmynotes_outside_connections_total 0.0" not in counted
    assert "askmynotes_outside_connections_total" in counted and NOBODY not in counted
