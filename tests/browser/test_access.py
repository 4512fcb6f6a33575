"""The page for people who use a keyboard."""

from tests.browser.steps import PHONE, finished, violations


def tab_is_open(page, number):
    page.wait_for_function("n => document.querySelectorAll('#tabs [role=tab]')[n].ariaSelected === 'true'", arg=number)


def test_the_keyboard_reaches_everything_and_a_sheet_lists_its_keys(open_page, quoting):
    page = open_page(PHONE, url=quoting.url)
    page.wait_for_function("document.activeElement.closest('#question')")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    sheet = page.locator("dialog#keys")
    sheet.wait_for()
    assert violations(page) == {}
    page.keyboard.press("Escape")
    sheet.wait_for(state="hidden")

    page.keyboard.press("2")
    tab_is_open(page, 1)
    page.keyboard.press("/")
    page.wait_for_function("document.activeElement.closest('#question')")
    page.keyboard.type("Which n/?1 oven is rye bread for?")
    assert page.locator("#question textarea").input_value() == "Which n/?1 oven is rye bread for?"
    page.locator("#question textarea").fill("What does rye need?")
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
    sheet.wait_for(state="hidden")
    page.keyboard.press("2")
    page.keyboard.press("?")
    page.evaluate("new Promise(done => setTimeout(done))")  # whatever the keys do is begun
    assert not sheet.is_visible(), "switched off"
    tab_is_open(page, 0)
