import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from ingest.links import link_states
from ingest.pipeline import Linked, fetch_again, ingest, remove, restore
from knowledge.store import Store
from tests.conftest import ROOT
from tests.web import WebServer, conditional, head, in_turn, page, redirect, robots

HERE = Linked(fetch=True, allow_private=frozenset({"127.0.0.1"}))
BREAD = """<!doctype html><html><head><title>Sourdough at altitude</title></head><body>
<nav><a href="/">Home</a> <a href="/about">About</a></nav>
<main><h1>Sourdough at altitude</h1>
<p>Dough rises faster on a mountain, because the thin air presses less on it. Above two thousand metres the proof is
over in half the time, and a cold night in the cellar keeps the loaf from collapsing in the oven.</p>
<h2>How much yeast</h2>
<p>Use a quarter less starter for every thousand metres. Bakers in La Paz work with barely a third of what a recipe
from the coast asks for, and they let the loaf stand until it has just doubled.</p>
<pre><code>starter = recipe * 0.75 ** (metres / 1000)</code></pre></main>
<footer>Copyright, imprint, newsletter</footer></body></html>"""


@pytest.fixture
def serve():
    servers = []

    def start(routes):
        servers.append(WebServer(routes).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()


@pytest.fixture
def notes(store, settings, tmp_path):
    """Write a note and bring the index in step: `notes(text, linked).links`."""

    def notes(text, linked=HERE, **options):
        (tmp_path / "notes").mkdir(exist_ok=True)
        (tmp_path / "notes" / "note.md").write_text(text)
        return ingest(store, settings, [tmp_path / "notes"], linked=linked, **options)

    return notes


def states(store):
    return {link.url.rpartition("/")[2]: (link.state, link.reason) for link in link_states(store)}


def counts(summary):
    return [summary.links[name] for name in ("found", "fetched", "unchanged", "failed", "skipped")]


def test_nothing_is_fetched_unasked(notes, serve, store):
    server = serve({"/bread": page(BREAD)})
    summary = notes(f"## Baking\n[high bread]({server.url('/bread')})\n", Linked())
    assert counts(summary) == [1, 0, 0, 0, 1]
    assert server.connections == 0
    assert states(store)["bread"] == ("never tried", "`askmynotes ingest --links` fetches it")


def test_a_linked_article_is_found_with_the_note_that_led_there(notes, serve, store):
    server = serve({"/bread": page(BREAD)})
    url = server.url("/bread")
    text = f"## Baking\nFor the hut: [high bread]({url}#yeast)\n\n## Holidays\nBake there, see {url}\n"
    assert counts(notes(text)) == [1, 1, 0, 0, 0]
    assert server.paths == ["/bread"], "two links to one page are one fetch"
    hit = store.search("how much less starter does a mountain baker need?", 1)[0]
    assert hit.chunk.kind == "article"
    assert (hit.chunk.url, hit.chunk.title) == (url, "Sourdough at altitude")
    assert hit.chunk.heading_path[-1] == "How much yeast"
    assert "starter = recipe * 0.75 ** (metres / 1000)" in hit.chunk.text
    assert "newsletter" not in "".join(chunk.text for chunk in store.get(hit.chunk.source))
    references = store.referring(hit.chunk.source)
    assert [(place.heading, place.line, place.text) for place in references] == [
        ("Baking", 2, "high bread"),
        ("Holidays", 5, url),
    ]


def test_what_was_fetched_is_kept_and_indexed_again_without_the_network(notes, serve, store, settings, tmp_path):
    server = serve({"/bread": page(BREAD)})
    notes(f"## Baking\n{server.url('/bread')}\n")
    server.__exit__()
    store.close()
    for name in ("catalogue.sqlite", "catalogue.sqlite-wal", "catalogue.sqlite-shm"):
        (settings.home / name).unlink(missing_ok=True)
    for path in (settings.home / "index").iterdir():
        path.unlink()
    fresh = Store(settings)
    summary = ingest(fresh, settings, [tmp_path / "notes"])
    assert counts(summary) == [1, 0, 1, 0, 0]
    assert fresh.search("mountain bakers' starter", 1)[0].chunk.kind == "article"
    fresh.close()


@pytest.mark.parametrize("status", [200, 203])
def test_what_was_fetched_outlives_a_new_edition_of_the_index(notes, serve, store, status):
    server = serve({"/bread": page(BREAD, "text/html", status)})
    text = f"## Baking\n{server.url('/bread')}\n"
    notes(text)
    store.made_with = "an older version"
    assert counts(notes(text, Linked())) == [1, 0, 1, 0, 0]
    assert store.search("mountain bakers' starter", 1)[0].chunk.kind == "article"


@pytest.mark.parametrize("left", [0.0, 0.5, 0.95])
def test_a_damaged_page_is_told_and_fetched_anew(notes, serve, store, settings, left):
    server = serve({"/bread": conditional('"v1"', BREAD)})
    text = f"## Baking\n{server.url('/bread')}\n"
    notes(text)
    [kept] = settings.pages.iterdir()
    data = kept.read_bytes()
    kept.write_bytes(data[: int(left * len(data))])
    store.made_with = "an older version"
    said = []
    assert counts(notes(text, Linked(), say=said.append)) == [1, 0, 0, 0, 1]
    assert "`askmynotes ingest --links` fetches it again" in said[-1]
    assert states(store)["bread"][0] == "never tried"
    assert counts(notes(text)) == [1, 1, 0, 0, 0]
    assert store.search("mountain bakers' starter", 1)[0].chunk.kind == "article"
    assert counts(notes(text)) == [1, 0, 1, 0, 0]


def test_a_damaged_page_is_fetched_anew_while_its_article_is_in_the_index(notes, serve, store, settings):
    server = serve({"/bread": conditional('"v1"', BREAD)})
    text = f"## Baking\n{server.url('/bread')}\n"
    notes(text)
    [kept] = settings.pages.iterdir()
    kept.write_bytes(kept.read_bytes()[:40])
    notes(text)
    store.made_with = "an older version"
    notes(text, Linked())
    assert store.search("mountain bakers' starter", 1)[0].chunk.kind == "article"


def test_a_page_that_has_not_changed_is_not_sent_again(notes, serve, store):
    server = serve({"/bread": conditional('"v1"', BREAD)})
    text = f"## Baking\n{server.url('/bread')}\n"
    notes(text)
    assert counts(notes(text)) == [1, 0, 1, 0, 0]
    assert server.requests[-1].headers["if-none-match"] == '"v1"'
    assert states(store)["bread"][0] == "unchanged"


def test_a_page_that_has_changed_is_indexed_anew(notes, serve, store):
    changed = BREAD.replace("Use a quarter less starter", "Use a pinch of zebra-striped salt")
    server = serve({"/bread": in_turn(page(BREAD), page(changed))})
    text = f"## Baking\n{server.url('/bread')}\n"
    notes(text)
    assert counts(notes(text)) == [1, 1, 0, 0, 0]
    assert "zebra-striped" in store.search("zebra-striped salt", 1)[0].chunk.text
    assert store.counts()[0] == 2


def test_the_article_is_replaced_where_the_link_is_spelt_otherwise(notes, serve, store):
    changed = BREAD.replace("Use a quarter less starter", "Use a pinch of zebra-striped salt")
    server = serve({"/bread/": page(BREAD), "/bread": page(changed)})
    notes(f"## Baking\n{server.url('/bread/')}\n")
    notes(f"## Baking\n{server.url('/bread')}\n")
    articles = [listed.document.source for listed in store.documents() if listed.document.kind == "article"]
    assert articles == [server.url("/bread")]


def test_an_address_that_was_redirected_to_stands_for_itself_once_the_other_is_gone(notes, serve, store):
    changed = BREAD.replace("Use a quarter less starter", "Use a pinch of zebra-striped salt")
    server = serve({"/old": redirect("/bread"), "/bread": page(BREAD)})
    notes(f"## Baking\n- {server.url('/old')}\n")
    notes(f"## Baking\n- {server.url('/old')}\n- {server.url('/bread')}\n")
    server.routes["/bread"] = page(changed)
    notes(f"## Baking\n- {server.url('/bread')}\n")
    hit = store.search("zebra-striped salt", 1)[0]
    assert "zebra-striped" in hit.chunk.text
    assert hit.chunk.url == server.url("/bread")
    assert store.counts()[0] == 2


def test_a_dead_link_never_loses_an_article(notes, serve, store):
    server = serve({"/bread": in_turn(page(BREAD), page("gone", "text/html", 404), page("", "text/html", 500))})
    text = f"## Baking\n{server.url('/bread')}\n"
    notes(text)
    assert counts(notes(text)) == [1, 0, 0, 1, 0]
    assert states(store)["bread"][0] == "gone"
    assert store.search("mountain bakers' starter", 1)[0].chunk.kind == "article"
    soft = "<html><title>404 Not Found</title><h1>Page not found</h1><p>Sorry, it is not here.</p></html>"
    server.routes["/bread"] = page(soft)
    notes(text)
    assert states(store)["bread"][0] == "gone"
    assert store.search("mountain bakers' starter", 1)[0].chunk.kind == "article"


def test_every_link_ends_in_a_state_with_a_reason(notes, serve, store):
    server = serve(
        {
            "/robots.txt": robots("User-agent: *\nDisallow: /secret\n"),
            "/bread": page(BREAD),
            "/moved": redirect("/bread"),
            "/secret": page(BREAD),
            "/forbidden": page("no", "text/html", 403),
            "/picture": page(b"\x89PNG", "image/png"),
            "/data": page('{"a": "' + "b " * 200 + '"}', "application/json"),
            "/archive": page(b"PK\x03\x04" + b"a" * 100, "text/plain"),
            "/readme.md": page("# Hut\n\nThe hut is open from June to October.\n", "text/plain"),
            "/large": page("x" * 40_000_000, "text/plain"),
            "/empty": page("<html><body><div id=root></div><script src=app.js></script></body></html>"),
        }
    )
    names = "bread moved secret forbidden picture data archive readme.md large empty nowhere".split()
    listed = "\n".join(f"- [{name}]({server.url('/' + name)})" for name in names)
    text = (
        f"## Links\n{listed}\n- [private](http://localhost:{server.port}/private)\n- [nothing]()\n- ftp://a.example/f\n"
    )
    text += "- [old](ftp://a.example/old)\n- [[Other note]]\n- [mail](mailto:a@b.example)\n"
    notes(text)
    found = states(store)
    expected = {
        "bread": "fetched",
        "moved": "fetched",
        "secret": "blocked by robots",
        "forbidden": "refused",
        "picture": "wrong type",
        "data": "wrong type",
        "archive": "wrong type",
        "readme.md": "fetched",
        "large": "too large",
        "empty": "no text",
        "nowhere": "gone",
        "private": "private address",
        "": "never tried",
        "old": "refused",
        "[[Other note]]": "never tried",
        "mailto:a@b.example": "never tried",
    }
    assert {name: state for name, (state, _) in found.items()} == expected
    told = {name for name, (_, reason) in found.items() if reason}
    assert set(expected) - told - {"readme.md"} in ({"bread"}, {"moved"}), (
        "of two addresses of one page, one stands for it"
    )
    assert found[""][1] == "the link is empty"
    articles = [listed for listed in store.documents() if listed.document.kind == "article"]
    assert len(articles) == 2, "a redirect to a page that is known is no second article"


def test_an_article_that_no_note_links_to_any_more_leaves_and_comes_back(notes, serve, store):
    server = serve({"/bread": page(BREAD)})
    text = f"## Baking\n{server.url('/bread')}\n"
    notes(text)
    notes("## Baking\nno link any more\n", Linked())
    assert [listed.document.kind for listed in store.documents()] == ["note"]
    notes(text, Linked())
    assert store.search("mountain bakers' starter", 1)[0].chunk.kind == "article"
    assert server.paths == ["/bread"]


def test_an_address_can_be_ingested_by_itself(store, settings, serve):
    server = serve({"/bread": page(BREAD)})
    url = server.url("/bread")
    only = Linked(allow_private=frozenset({"127.0.0.1"}))
    assert counts(ingest(store, settings, [url], linked=only)) == [1, 1, 0, 0, 0]
    assert store.search("mountain bakers' starter", 1)[0].chunk.url == url
    assert ingest(store, settings, []).documents == 1
    assert server.paths == ["/bread"]
    failed = ingest(store, settings, [server.url("/nowhere")], linked=only)
    assert failed.failed_by_name
    assert "gone" in failed.failures[0]
    assert remove(store, url).documents == 1
    assert ingest(store, settings, []).documents == 0


def test_an_address_asked_for_is_fetched_though_an_interrupted_run_had_it(notes, serve, store, settings):
    server = serve({"/bread": page(BREAD), "/rye": page(BREAD)})
    notes(f"## Baking\n- {server.url('/bread')}\n- {server.url('/rye')}\n")
    store.set_state("fetching_since", "2020-01-01T00:00:00")  # as a run leaves it that ends too early
    only = Linked(allow_private=frozenset({"127.0.0.1"}))
    ingest(store, settings, [server.url("/bread")], linked=only)
    assert server.paths.count("/bread") == 2
    ingest(store, settings, [], linked=HERE)
    assert sorted(server.paths) == ["/bread", "/bread", "/rye"], "the interrupted run is gone on with"
    assert store.get_state("fetching_since") == ""


def test_an_article_taken_out_stays_out(notes, serve, store):
    server = serve({"/bread": page(BREAD)})
    text = f"## Baking\n{server.url('/bread')}\n"
    notes(text)
    assert remove(store, server.url("/bread")).documents == 1
    notes(text)
    assert [listed.document.kind for listed in store.documents()] == ["note"]
    assert server.paths == ["/bread"]


def test_an_article_taken_out_is_brought_back_without_a_fetch(notes, serve, store, settings):
    server = serve({"/bread": page(BREAD), "/rye": page(BREAD.replace("Sourdough", "Rye bread"))})
    notes(f"## Baking\n{server.url('/bread')}\n")
    only = Linked(allow_private=frozenset({"127.0.0.1"}))
    ingest(store, settings, [server.url("/rye")], linked=only)
    roots, fetched = store.roots(), list(server.paths)
    for name in ("/bread", "/rye"):
        removed = remove(store, server.url(name))
        assert len(store.documents()) == 2
        restore(store, settings, removed)
        assert (len(store.documents()), store.roots()) == (3, roots)
    assert server.paths == fetched


def test_a_single_page_is_fetched_again_and_becomes_no_source_of_its_own(notes, serve, store, settings):
    server = serve({"/bread": in_turn(page(BREAD), page(BREAD.replace("La Paz", "Lhasa"))), "/rye": page(BREAD)})
    notes(f"## Baking\n{server.url('/bread')}\n\n{server.url('/rye')}\n")
    roots = store.roots()
    here = replace(settings, allow_private_hosts=("127.0.0.1",))
    assert fetch_again(store, here, server.url("/bread")).state == "fetched"
    assert (server.paths.count("/bread"), server.paths.count("/rye"), store.roots()) == (2, 1, roots)
    assert "Lhasa" in store.search("bakers work with barely a third", 1)[0].chunk.text
    assert fetch_again(store, here, server.url("/unknown")) is None


def test_saved_pages_stand_in_for_fetching(store, settings, serve, tmp_path):
    server = serve({})
    folder = tmp_path / "n"
    (folder / "mirror" / "blog.example" / "2024").mkdir(parents=True)
    (folder / "note.md").write_text(
        "## Baking\nSee https://bread.example/altitude and [this](http://blog.example/2024/rye).\n"
    )
    saved = BREAD.replace(
        "<!doctype html>", "<!doctype html>\n<!-- saved from url=(0030)https://bread.example/altitude -->"
    )
    (folder / "saved.html").write_text(saved)
    (folder / "mirror" / "blog.example" / "2024" / "rye.html").write_text(BREAD.replace("Sourdough", "Rye"))
    summary = ingest(store, settings, [folder])
    assert counts(summary) == [2, 0, 2, 0, 0]
    for source in (folder / "saved.html", folder / "mirror" / "blog.example" / "2024" / "rye.html"):
        assert [place.line for place in store.referring(str(source))] == [2]
        assert {chunk.kind for chunk in store.get(str(source))} == {"article"}
    assert {link.state for link in link_states(store)} == {"fetched"}
    assert server.connections == 0


def test_a_book_is_no_list_of_links(store, settings, tmp_path):
    folder = tmp_path / "n"
    folder.mkdir()
    for name in ("winter.epub", "bees.pdf"):
        shutil.copy(ROOT / "tests" / "files" / name, folder)
    summary = ingest(store, settings, [folder])
    assert summary.documents == 2
    assert summary.links["found"] == 0
    assert any(chunk.links for listed in store.documents() for chunk in store.get(listed.document.source))


def test_a_web_archive_stands_in_for_fetching(store, settings, tmp_path):
    from ingest.pages import Page, Pages

    folder = tmp_path / "n"
    folder.mkdir()
    page = Page("https://bread.example/altitude/", "", BREAD.encode(), headers=(("Content-Type", "text/html"),))
    Pages(folder).save("x", replace(page, fetched_at="2026-01-01T00:00:00Z"))
    (folder / "note.md").write_text("## Baking\nhttp://bread.example/altitude\n")
    ingest(store, settings, [folder])
    hit = store.search("mountain bakers' starter", 1)[0]
    assert (hit.chunk.kind, hit.chunk.url) == ("article", "https://bread.example/altitude/")
    assert [place.heading for place in store.referring(hit.chunk.source)] == ["Baking"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_goes_on_where_it_stopped(settings, serve, tmp_path, end):
    pages = {f"/{n}": page(BREAD.replace("altitude", f"altitude {n}"), pause=0.1) for n in range(60)}
    server = serve(pages)
    folder = tmp_path / "n"
    folder.mkdir()
    (folder / "note.md").write_text("## Links\n" + "".join(f"- {server.url(f'/{n}')}\n" for n in range(60)))
    command = [sys.executable, "-m", "chatbot", "ingest", str(folder), "--links", "--allow-private-host", "127.0.0.1"]
    command += ["--home", str(settings.home)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(server.requests) < 20 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(end)
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert len(server.requests) < 60
    first = len(server.requests)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "60 linked pages: " in done.stdout
    assert len(server.requests) < 60 + first, "what was done is not done again"
    store = Store(settings)
    assert store.counts()[0] == 61
    store.close()


def test_a_server_that_asks_for_patience_gets_it(notes, serve, store):
    busy = lambda request, connection: connection.sendall(head(429, "Retry-After: 1", "Content-Length: 0"))  # noqa: E731
    server = serve({"/bread": in_turn(busy, page(BREAD))})
    notes(f"## Baking\n{server.url('/bread')}\n")
    assert states(store)["bread"][0] == "fetched"
    assert server.requests[1].started - server.requests[0].started > 0.9


def test_a_fault_in_fetching_one_page_ends_no_run(notes, serve, store, monkeypatch):
    from ingest.fetch import Fetcher

    fetch = Fetcher.fetch

    def faulty(self, url, **options):
        if url.endswith("/odd"):
            raise OverflowError("signed integer is greater than maximum")
        return fetch(self, url, **options)

    monkeypatch.setattr(Fetcher, "fetch", faulty)
    server = serve({"/bread": page(BREAD), "/odd": page(BREAD)})
    summary = notes(f"## Baking\n- {server.url('/odd')}\n- {server.url('/bread')}\n")
    assert counts(summary) == [2, 1, 0, 1, 0]
    assert states(store)["odd"][0] == "refused"
