"""The tabs "Models" and "Settings", and the offline mark, as a person meets them."""

import json
import urllib.request
from contextlib import closing

from ingest.pipeline import ingest
from knowledge.settings import load_settings
from knowledge.store import Store
from tests.browser.steps import PHONE, ask, finished, is_dark, open_tab
from tests.conftest import HOUSE, make_settings
from tests.server import Server

NOBODY = "192.0.2.1"  # an address that is nobody's, for documentation: https://www.rfc-editor.org/rfc/rfc5737


def test_engine_settings_and_conversations_are_kept_and_the_offline_mark_counts_what_leaves(
    open_page, tmp_path, models
):
    settings = make_settings(tmp_path / "own", models)
    settings.config.write_text(f'# mine\nallow_private_hosts = ["{NOBODY}"]\n')
    (tmp_path / "house.md").write_text(HOUSE)
    with closing(Store(settings)) as store:
        ingest(store, settings, [tmp_path / "house.md"])
    errors = tmp_path / "errors"
    own = Server(settings, errors=errors.open("w"))
    try:
        page = open_page(url=own.url)
        page.get_by_text("Offline: no connection has left this computer since").wait_for()
        send_outside(own.url)

        open_tab(page, "Models", "#models li")
        page.get_by_text("138 MB · apache-2.0").wait_for()
        assert page.locator("#models .now").first.inner_text() == "answers now"
        page.get_by_role("button", name="Use extract").click()
        page.get_by_text("extract answers from the next question on").wait_for()
        open_tab(page, "Ask", "#question textarea")
        ask(page, "When is the boiler serviced?")
        assert "quoted from your notes" in finished(page, 1)

        open_tab(page, "Settings", "#set-answer_seconds input")
        page.wait_for_function("document.querySelector('#set-answer_seconds input')?.value === '120'")
        page.locator("#set-answer_seconds input").fill("-3")
        page.locator("#set-fetch_links input").check()
        page.locator("#save").click()
        page.locator("#set-answer_seconds").get_by_text("must be 1 or more").wait_for()
        assert "Nothing was saved" in page.get_by_role("alert").inner_text()
        assert load_settings(settings.home).fetch_links is False
        page.locator("#set-answer_seconds input").fill("45")
        page.locator("#set-max_file_mb input").fill("3")
        page.locator("#set-openai_key input").fill("sk-secret")
        page.locator("#save").click()
        page.get_by_text("no restart is needed").wait_for()
        assert settings.config.read_text().startswith("# mine\n")
        open_tab(page, "Library", f"#drop [data-largest='{3 * 2**20}']")

        page.locator("#mark").get_by_text("to outside since").wait_for()
        page.locator("#mark summary").click()
        page.locator("#mark li").get_by_text(NOBODY).wait_for()
        counted = urllib.request.urlopen(f"{own.url}metrics", timeout=60).read().decode()
        assert "askmynotes_outside_connections_total 0.0" not in counted
        assert "askmynotes_outside_connections_total" in counted and NOBODY not in counted
    finally:
        own.stop()
    assert errors.read_text() == "", "an open page that is cut off is no fault"
    page.close()

    own = Server(settings)
    try:
        page = open_page(url=own.url)
        page.locator("#listing").get_by_role("button", name="When is the boiler serviced?").wait_for()
        open_tab(page, "Settings", "#set-answer_seconds input")
        page.wait_for_function("document.querySelector('#set-answer_seconds input')?.value === '45'")
        page.wait_for_function("document.querySelector('#set-engine input:checked')?.value === 'extract'")
        assert page.locator("#set-openai_key input").input_value() == ""
        assert "sk-secret" not in page.content() + page.evaluate("fetch('config').then(answer => answer.text())")
        assert page.errors == []
        assert page.outside == []
    finally:
        own.stop()


def send_outside(url):
    body = json.dumps({"paths": [f"http://{NOBODY}/"]}).encode()
    request = urllib.request.Request(f"{url}api/ingest", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=60).close()


def test_light_or_dark_is_remembered_from_the_first_moment_on(open_page, quoting):
    page = open_page(PHONE, "dark", url=quoting.url)
    assert is_dark(page), "the system decides first"
    open_tab(page, "Settings", "#theme input")
    page.locator("#theme").get_by_label("Light").check()
    page.wait_for_function("!document.body.classList.contains('dark')")
    shown = "window.first = getComputedStyle(document.body).backgroundColor"
    page.add_init_script(f"addEventListener('DOMContentLoaded', () => {{ {shown}; }})")
    page.reload()
    page.wait_for_selector("#question textarea")
    assert not is_dark(page)
    assert page.evaluate("window.first.match(/\\d+/g).slice(0, 3).every(v => v > 200)"), "no flash of the other one"
    open_tab(page, "Settings", "#theme input")
    page.wait_for_function("document.querySelector('#theme input:checked')?.value === 'light'")
    page.locator("#theme").get_by_label("As the system").check()
    page.wait_for_function("document.body.classList.contains('dark')")
    page.emulate_media(color_scheme="light")
    page.locator("#theme").get_by_label("Dark").check()
    page.wait_for_function("document.body.classList.contains('dark')")
