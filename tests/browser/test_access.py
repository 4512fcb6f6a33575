"""The page for people who use a keyboard, a screen reader, a phone or a very wide screen."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.steps import DESKTOP, PHONE, ask, finished

WIDE = {"width": 3840, "height": 2160}
LEVELS = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


def tabs(page):
    return page.locator("#tabs > .tab-wrapper [role=tab]")


def violations(page):
    page.wait_for_timeout(400)  # what fades in has its colours then
    found = Axe().run(page, options=LEVELS).response["violations"]
    return {each["id"]: [node["html"] for node in each["nodes"]] for each in found}


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark"), (WIDE, "light")])
def test_every_tab_is_accessible_and_fits(open_page, viewport, scheme):
    page = open_page(viewport, scheme)
    ask(page, "Which package finds drift in a deployed model?")
    finished(page, 1)
    page.locator("#sources .why summary").first.click()
    assert tabs(page).count() == 4
    for tab in tabs(page).all():
        tab.click()
        assert violations(page) == {}, tab.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert page.errors == []


def test_the_keyboard_reaches_everything_and_a_sheet_lists_its_keys(open_page):
    page = open_page(PHONE)
    page.locator("#question textarea").blur()
    page.keyboard.press("?")
    sheet = page.locator("dialog#keys")
    assert sheet.is_visible()
    assert violations(page) == {}
    page.keyboard.press("Escape")
    assert not sheet.is_visible()

    page.keyboard.press("2")
    page.wait_for_function("document.querySelectorAll('#tabs [role=tab]')[1].ariaSelected === 'true'")
    page.keyboard.press("/")
    page.wait_for_function("document.activeElement.closest('#question')")
    page.keyboard.type("Which n/?1 package finds drift?")
    assert page.locator("#question textarea").input_value() == "Which n/?1 package finds drift?"
    page.keyboard.press("Enter")
    finished(page, 1)
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    page.wait_for_function("document.activeElement.closest('#sources')")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) != "none", "focus is visible"

    page.keyboard.press("c")
    page.wait_for_function("document.activeElement.closest('#listing')?.getBoundingClientRect().left > 0")

    page.keyboard.press("?")
    sheet.locator("input").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    page.wait_for_timeout(300)
    assert tabs(page).nth(0).get_attribute("aria-selected") == "true", "switched off"
