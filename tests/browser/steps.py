"""What a person does on the page."""

from axe_playwright_python.sync_playwright import Axe

DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}

_LEVELS = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
_AT_REST = """() => document.getAnimations().every(
    each => each.playState !== 'running' || each.effect.getComputedTiming().endTime === Infinity
)"""


def ask(page, question):
    box = page.locator("#question textarea")
    box.fill(question)
    box.press("Enter")


def finished(page, answers):
    """The last answer, when it is complete and another question can be asked."""
    page.wait_for_function(
        "n => document.querySelectorAll('#conversation .answer').length === n"
        " && !document.querySelector('#conversation .answer .state, #question .stop-button')",
        arg=answers,
    )
    return page.locator("#conversation .answer").last.inner_text()


def open_tab(page, name, holding):
    """Opens a tab, and waits until it holds what comes last."""
    page.get_by_role("tab", name=name).click()
    page.locator(holding).first.wait_for()


def fits(page):
    page.wait_for_function("width => innerWidth === width", arg=page.viewport_size["width"])
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def violations(page):
    page.wait_for_function(_AT_REST)  # what fades in has its colours then
    found = Axe().run(page, options=_LEVELS).response["violations"]
    return {each["id"]: [node["html"] for node in each["nodes"]] for each in found}


def is_dark(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every(v => v < 90)")
