"""The evidence beside a conversation, and what of the notes' Markdown is drawn."""

from tests.browser.notes import NOTES
from tests.browser.steps import PHONE, ask, finished, fits

_SCROLLED_TO = """() => {
    const [panel, place] = ["#sources", "#cited"].map(id => document.querySelector(id).getBoundingClientRect());
    return panel.top - 1 <= place.top && place.top < panel.bottom;
}"""


def selected(page, turn):
    """Waits until the panel and the conversation show that this turn is selected."""
    page.locator(f"#conversation #answer-{turn}.selected").wait_for()
    page.locator(f"#sources .evidence[data-turn='{turn}']").wait_for()
    assert page.locator("#conversation .answer.selected").count() == 1
    return page.locator("#sources").inner_text()


def test_an_older_answer_shows_its_evidence_again_and_the_whole_note_at_the_place(open_page, quoting):
    page = open_page(url=quoting.url)
    ask(page, "How much less starter does sourdough need per thousand metres?")
    finished(page, 1)
    assert "dated 2 March 2024" in selected(page, 0)
    chips = page.locator("#conversation button.option")
    chips.first.wait_for()
    offered = chips.all_inner_texts()
    assert "What do my notes say about Rye sourdough?" in offered
    assert not any("high altitude" in question for question in offered)
    chips.get_by_text("Rye sourdough").click()
    assert "more water" in finished(page, 2)
    assert "What do my notes say about Rye sourdough?" in selected(page, 1)

    page.locator("#conversation .answer .said").first.click()
    assert "quarter less starter" in selected(page, 0)
    page.locator("#conversation #answer-1 button.show").focus()
    page.keyboard.press("Enter")
    assert "more water" in selected(page, 1)
    assert page.evaluate("document.activeElement.id") == "evidence"

    page.reload()
    page.locator("#listing button[data-do=select]").first.click()
    finished(page, 2)
    page.locator("#conversation #answer-0 a.cite").first.click()
    passage = page.locator("#sources article.shown")
    passage.wait_for()
    assert "quarter less starter" in selected(page, 0)
    page.locator("#sources .unused > summary").click()
    found = page.locator("#sources .unused details").filter(has_text="Keeping loaves")
    assert not found.locator(".passage").is_visible()
    found.locator("summary").click()
    assert "clay pot" in found.locator(".passage").inner_text()

    passage.get_by_text("Whole note").click()
    cited = page.locator("#sources .whole #cited")
    cited.wait_for()
    page.wait_for_function(_SCROLLED_TO)
    assert "clay pot" in page.locator("#sources .whole").inner_text()
    assert "quarter less starter" in " ".join(cited.locator("mark").all_inner_texts())
    page.get_by_text("Back to the evidence").click()
    assert "quarter less starter" in selected(page, 0)
    assert page.errors == []


def test_code_tables_formulas_and_persian_are_drawn_without_a_network(open_page, quoting):
    page = open_page(PHONE, "dark", url=quoting.url)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, "How is a nested list flattened?")
    finished(page, 1)
    for column in ("#conversation", "#sources"):
        code = page.locator(f"{column} .code")
        colours = code.evaluate(
            "code => ['.t-k', '.t-n'].map(token => getComputedStyle(code.querySelector(token)).color)"
        )
        assert colours[0] != colours[1]
        page.evaluate("navigator.clipboard.writeText('')")
        button = code.get_by_role("button", name="Copy")
        assert button.evaluate("button => { button.click(); return button.innerText; }") == "Copied"
        wanted = NOTES["python.md"].split("```")[1][len("python\n") :]
        page.wait_for_function("wanted => navigator.clipboard.readText().then(text => text === wanted)", arg=wanted)
    page.get_by_label("Copy message").last.click()
    page.wait_for_function("navigator.clipboard.readText().then(text => text.startsWith('A nested list'))")
    assert "<" not in page.evaluate("navigator.clipboard.readText()")

    ask(page, "Which density does the normal distribution have?")
    finished(page, 2)
    for column in ("#conversation", "#sources"):
        assert page.locator(f"{column} math mfrac msqrt").first.bounding_box()["height"] > 5
    ask(page, "How much starter at high altitude?")
    assert "$5" in finished(page, 3)
    assert page.locator("#sources .table td").all_inner_texts() == ["1000 m", "75 g"]
    assert "$5 and the flour $10" in page.locator("#sources .passage").first.inner_text()

    ask(page, "گل‌های رز را چند وقت یک بار آبیاری کنیم؟")
    finished(page, 4)
    for shown in ("#answer-3 .said", "#sources .asked", "#sources h3", "#sources .passage p", "#sources .passage ul"):
        direction = page.locator(shown).first.evaluate("shown => getComputedStyle(shown).direction")
        assert direction == "rtl", shown
    assert fits(page)
    assert page.outside == []
    assert page.errors == []
