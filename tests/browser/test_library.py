"""The tab "Library" and the first run, as a person meets them."""

import re

from ingest.pipeline import ingest
from knowledge.store import Store
from tests.browser.steps import PHONE, ask, finished, fits, open_tab
from tests.conftest import HOUSE, make_settings
from tests.ingest.test_links import BREAD
from tests.server import Server
from tests.web import WebServer
from tests.web import page as article

DROP = """([name, text]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], name));
  document.querySelector("#drop .drop").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
}"""


def names(page):
    return page.locator("#listed .name").all_inner_texts()


def wait_for_names(page, *wanted):
    page.wait_for_function(
        "wanted => JSON.stringify([...document.querySelectorAll('#listed .name')].map(e => e.innerText).sort())"
        " === JSON.stringify(wanted)",
        arg=sorted(wanted),
    )


def test_an_empty_library_offers_notes_and_then_is_filled_emptied_and_asked(open_page, tmp_path, models):
    own = Server(make_settings(tmp_path / "empty", models), "--engine", "extract")
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "house.md").write_text(HOUSE)
    (notes / "tool.exe").write_text("x")
    try:
        page = open_page(url=own.url)
        page.locator("#offer").get_by_role("button", name="notes that come with the program").click()
        page.wait_for_function("document.querySelector('#masthead').innerText.includes('from 9 documents')")
        page.wait_for_function("!document.querySelector('#offer')")
        example = page.locator("#conversation button.example").first
        question = example.inner_text()
        example.click()
        assert "[1]" in finished(page, 1), "questions can be asked without loading the page again"
        assert question in page.locator("#conversation").inner_text()

        open_tab(page, "Library", "#listed")
        page.locator("#path textarea, #path input").fill(str(notes))
        page.locator("#path button").click()
        page.locator("#ingest").get_by_text("Done: 1 added, 1 left out").wait_for()
        page.locator("#filter textarea, #filter input").fill("house.md")
        wait_for_names(page, "house")
        page.locator("#listed").get_by_role("button", name=re.compile("^Remove: .*house.md")).click()
        page.locator("#notice").get_by_text("The file itself stays where it is").wait_for()
        page.locator("#listed").get_by_text("No source fits").wait_for()
        page.locator("#notice").get_by_role("button", name="Undo").click()
        wait_for_names(page, "house")
        assert (notes / "house.md").read_text() == HOUSE

        folder = tmp_path / "zoo"
        (folder / ".git").mkdir(parents=True)
        (folder / "zebras.md").write_text("## Zebras\nFourteen zebras live in the Zanzibar enclosure.\n")
        (folder / "tool.exe").write_text("x")
        (folder / ".git" / "hidden.md").write_text("## Hidden\nHidden.\n")
        page.locator("#drop input").last.set_input_files(folder)
        page.locator("#notice").get_by_text("1 file taken.").wait_for()
        assert "zoo/tool.exe: of a kind that is not read" in page.locator("#notice").inner_text()
        page.locator("#filter textarea, #filter input").fill("dropped")
        wait_for_names(page, "zebras")
        page.evaluate(DROP, ["yaks.md", "## Yaks\nNine yaks graze behind the shed.\n"])
        wait_for_names(page, "yaks", "zebras")
        open_tab(page, "Ask", "#question textarea")
        ask(page, "How many zebras live in the Zanzibar enclosure?")
        assert "Fourteen zebras" in finished(page, 2)

        open_tab(page, "Library", "#listed")
        point = page.get_by_role("button", name="Boiler service")
        point.focus()
        point.press("ArrowRight")
        focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused != "Boiler service"
        assert page.locator("#picture .pointed").inner_text() == focused
        point.press("Enter")
        page.wait_for_function("document.querySelector('#question textarea').value.includes('Boiler service')")
        assert page.errors == []
        assert page.outside == []
    finally:
        own.stop()


def test_links_are_listed_fetched_and_cited_and_a_page_is_removed_and_fetched_again(open_page, tmp_path, models):
    settings = make_settings(tmp_path / "linked", models)
    (settings.home / "config.toml").write_text('allow_private_hosts = ["127.0.0.1"]\n')
    with WebServer({"/bread": article(BREAD)}) as web:
        (tmp_path / "note.md").write_text(f"## Baking\nFor the hut: [high bread]({web.url('/bread')}), [lost](Rye)\n")
        store = Store(settings)
        ingest(store, settings, [tmp_path / "note.md"])
        store.close()
        own = Server(settings, "--engine", "extract")
        try:
            page = open_page(PHONE, "dark", url=own.url)
            open_tab(page, "Library", "#listed")
            page.get_by_text("Your notes link to 1 page. Kept here: 0.").wait_for()
            assert "leads to a note that is not in the index" in page.locator("#links").inner_text()
            assert web.paths == [], "opening the page fetches nothing"
            page.locator("#fetch").click()
            page.get_by_text("Done: 1 fetched").wait_for()
            wait_for_names(page, "Sourdough at altitude", "note")
            page.locator("#listed").get_by_role("button", name=re.compile("^Remove: http")).click()
            page.locator("#notice").get_by_role("button", name="Undo").click()
            wait_for_names(page, "Sourdough at altitude", "note")
            assert web.paths.count("/bread") == 1
            page.locator("#listed").get_by_role("button", name=re.compile("^Fetch again")).click()
            page.locator("#ingest").get_by_text("/bread: unchanged").wait_for()
            assert web.paths.count("/bread") == 2
            assert fits(page)
            other = open_page(url=own.url)
            open_tab(other, "Library", "#listed")
            other.locator("#ingest").get_by_text("/bread: unchanged").wait_for()

            open_tab(page, "Ask", "#question textarea")
            ask(page, "How much less starter should be used for every thousand metres?")
            assert "Use a quarter less starter" in finished(page, 1)
            sources = page.locator("#sources").inner_text()
            assert "Sourdough at altitude" in sources
            assert "line 2: Baking" in sources
            assert page.locator(f"#sources a[href='{web.url('/bread')}']").count() >= 1
        finally:
            own.stop()
