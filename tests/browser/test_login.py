import re

import pytest

from tests.browser.steps import PHONE, ask, finished
from tests.conftest import PASSWORD


@pytest.fixture
def open_form(browser, household):
    contexts = []

    def open_form(scheme="light"):
        contexts.append(browser.new_context(viewport=PHONE, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.goto(household.url)
        return page

    yield open_form
    for context in contexts:
        context.close()


def log_in(page, name, password=PASSWORD):
    """By keyboard alone: the field that is empty has the focus."""
    page.wait_for_function("document.activeElement.matches('input')")
    if not page.locator("#name").input_value():
        page.keyboard.type(name)
        page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")


def test_two_people_log_in_on_their_phones_and_see_their_own(open_form):
    ada = open_form("dark")
    assert "/login" in ada.url
    assert ada.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    log_in(ada, "ada", "wrong horse")
    assert "do not belong together" in ada.get_by_role("alert").inner_text()
    log_in(ada, "ada")
    ada.wait_for_selector("#question textarea")
    ask(ada, "Who looks after the boiler?")
    assert "Hansen" in finished(ada, 1)
    assert ada.locator("#user .user").inner_text().startswith("ada")
    ada.locator("#listing").get_by_text("Who looks after the boiler?").first.wait_for(state="attached")

    bo = open_form()
    log_in(bo, "bo")
    bo.wait_for_selector("#question textarea")
    bo.wait_for_selector("#user .user")
    bo.locator("#listing .empty, #listing h2").first.wait_for(state="attached")  # other tests may ask as bo
    assert bo.locator("#listing").get_by_text("Who looks after the boiler?").count() == 0
    assert "Hansen" not in bo.content()

    ada.get_by_role("button", name="Log out").click()
    ada.wait_for_url(re.compile("/login$"))
    ada.go_back()
    ada.reload()
    assert "/login" in ada.url
