"""The page as a person meets it: a real server, a real Chromium, the real model."""

import os
import shutil

import pytest

from ingest.pipeline import ingest
from knowledge.store import Store
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
    settings = make_settings(tmp_path_factory.mktemp("served"), models)
    store = Store(settings)
    ingest(store, settings, [NOTES])
    store.close()
    server = Server(settings)
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


@pytest.fixture
def open_page(browser, server):
    contexts = []

    def open_page(viewport=DESKTOP, scheme="light", url=server.url):
        context = browser.new_context(viewport=viewport, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.outside = []
        page.errors = []
        page.on("request", lambda request: _is_local(request.url) or page.outside.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(url)
        page.wait_for_selector("#question textarea")
        return page

    yield open_page
    for context in contexts:
        context.close()


def _is_local(url):
    return url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))
