"""The page as a person meets it: a real server, a real Chromium, the real model."""

import os
import shutil
from contextlib import closing

import pytest

from ingest.pipeline import ingest
from knowledge.store import Store
from tests.browser.notes import NOTES as QUOTED
from tests.browser.steps import DESKTOP
from tests.conftest import NOTES, make_settings
from tests.server import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items):
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                reason = "no Chromium on this machine: sudo apt-get install chromium"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="package")
def server(tmp_path_factory, models):
    """The notes that come with the program, and the language model."""
    settings = make_settings(tmp_path_factory.mktemp("served"), models)
    with closing(Store(settings)) as store:
        ingest(store, settings, [NOTES])
    server = Server(settings)
    yield server
    server.stop()


@pytest.fixture(scope="package")
def quoting(tmp_path_factory, models):
    """Notes with all that can stand in notes, which are quoted without a language model."""
    settings = make_settings(tmp_path_factory.mktemp("quoted"), models)
    folder = tmp_path_factory.mktemp("notes")
    for name, text in QUOTED.items():
        (folder / name).write_text(text, encoding="utf-8")
    with closing(Store(settings)) as store:
        ingest(store, settings, [folder])
    server = Server(settings, "--engine", "extract")
    yield server
    server.stop()


@pytest.fixture(scope="package")
def browser(tmp_path_factory):
    from playwright.sync_api import sync_playwright

    # background-networking: Chromium's own, which has nothing to do with the page
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        own = str(tmp_path_factory.mktemp("chromium"))
        env = {**os.environ, "HOME": own, "XDG_CONFIG_HOME": own, "XDG_CACHE_HOME": own}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags, env=env)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def profile(browser):
    """One for all pages: the second page of a server comes from the cache."""
    profile = browser.new_context()
    yield profile
    profile.close()


@pytest.fixture
def open_page(profile):
    pages = []

    def open_page(viewport=DESKTOP, scheme="light", *, url):
        page = profile.new_page()
        pages.append(page)
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme)
        page.set_default_timeout(60_000)
        page.outside = []
        page.errors = []
        page.on("request", lambda request: _is_local(request.url) or page.outside.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(url)
        page.wait_for_selector("#question textarea")
        return page

    yield open_page
    for page in pages:
        if not page.is_closed():
            page.evaluate("localStorage.clear()")
            page.close()


def _is_local(url):
    return url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))
