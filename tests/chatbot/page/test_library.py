import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from chatbot.page.library_html import (
    by_period,
    links_html,
    picture_html,
    progress_html,
    refused_html,
    removed_html,
    sources_html,
)
from chatbot.page.topics import map_html, positions
from chatbot.sources import Entry, entries
from ingest.links import LinkState
from ingest.pipeline import Removed
from knowledge.documents import Chunk, Reference
from tests.chatbot.page.test_render import HOSTILE


class _Loaded(HTMLParser):
    """Collects the elements and attributes that could load or run something."""

    HARMLESS = set(
        "button span svg circle title text figure figcaption rect progress div p ul li a h2 h3 table tr th td".split()
    )

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [tag] if tag not in self.HARMLESS else []
        for name, value in attributes:
            runs = name.startswith("on") or name in ("src", "srcset", "style", "ping", "xlink:href")
            if runs or (name == "href" and not value.startswith(("http://", "https://"))):
                self.found.append(f"{name}={value}")


def loaded(html):
    parser = _Loaded()
    parser.feed(html)
    return parser.found


def entry(source="/n/a.md", **changes):
    return Entry(source, **{"state": "indexed", "chunks": 1, "date": "2026-05-03 10:00:00", "title": "A"} | changes)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_name_of_a_source_becomes_active(hostile):
    place = Reference(hostile, hostile, "key", 1, (hostile,), hostile, hostile)
    chunks = [Chunk(f"/{hostile}/{n}", hostile, (hostile,), (1, 2), hostile) for n in range(3)]
    job = SimpleNamespace(running=True, line=hostile, share=0.5, seconds_left=90.0)
    for html in (
        sources_html([entry(hostile, title=hostile, problem=hostile, url=hostile, kind="article")], [hostile], "", ""),
        links_html([LinkState(hostile, hostile, hostile, (place,))], ""),
        map_html(chunks, np.eye(3)),
        progress_html(job),
        refused_html(1, [[hostile, hostile]]),
        removed_html(Removed(hostile, 1, (), ())),
    ):
        assert loaded(html) == []


def test_hostile_notes_stay_words_in_the_picture_and_the_list(add, store):
    add("".join(f"## Attack {each}\n{each}\n\n" for each in HOSTILE), '"><img src=x onerror=window.hacked=1>.md')
    html = picture_html(store, entries(store)) + sources_html(entries(store), store.roots(), "", "")
    assert html.count("<circle") >= 3
    assert loaded(html) == []


def test_a_thousand_sources_are_a_page_that_says_how_many_more_there_are():
    html = sources_html([entry(f"/n/{n}.md") for n in range(1000)], [], "", "")
    assert html.count("<li>") == 200
    assert "and 800 more" in html


def test_sources_are_filtered_by_words_and_by_what_ails_them():
    listed = [
        entry("/n/bees.md", title="Bees"),
        entry("/n/roof.pdf", title="Roof", state="in part", problem="page 2 holds no text"),
        entry("/n/x.exe", title="", chunks=0, state="left out", problem="of a kind that is not read"),
    ]

    def named(containing="", shown=""):
        return re.findall(r'class="name" dir="auto">(.*?)<', sources_html(listed, ["/n"], containing, shown))

    assert named() == ["Bees", "Roof", "/n/x.exe"]
    assert named("BEES") == ["Bees"]
    assert named("no text page") == ["Roof"]
    assert named(shown="problem") == ["Roof"]
    assert named(shown="left out") == ["/n/x.exe"]
    assert "No source fits" in sources_html(listed, ["/n"], "wasps", "")


def test_what_was_left_out_has_no_button_and_a_page_can_be_fetched_again():
    page = entry("https://example.org/bread", url="https://example.org/bread", state="fetched")
    html = sources_html([page, entry(state="left out")], [], "", "")
    assert re.findall(r'data-do="(\w+)" data-id="([^"]*)"', html) == [
        ("retry", "https://example.org/bread"),
        ("delete", "https://example.org/bread"),
    ]


def test_links_are_filtered_by_state_and_say_where_they_stand():
    place = Reference("Bread", "https://example.org/bread", "example.org/bread", 3, ("Baking",), "/n/a.md", "A")
    states = [LinkState(place.url, "gone", "404", (place,)), LinkState("", "never tried", "it is empty", (place,))]
    html = links_html(states, "gone")
    assert html.count("<li>") == 1
    assert "/n/a.md, line 3: Baking" in html
    assert links_html(states, "").count("<li>") == 2


def test_sections_about_the_same_lie_together_on_the_map(add, store):
    add("# Bread\n## Sourdough bread\nFlour and water.\n\n## Rye bread\nRye flour and water.\n", "bread.md")
    add("# Cars\n## Engine oil\nOf the car.\n\n## Car tyres\nOf the car.\n", "cars.md")
    chunks, vectors = store.sections(100)
    placed = dict(zip((chunk.heading_path[-1] for chunk in chunks), positions(vectors), strict=True))
    near = np.linalg.norm(placed["Sourdough bread"] - placed["Rye bread"])
    assert near < np.linalg.norm(placed["Sourdough bread"] - placed["Car tyres"])
    assert all(0 <= value <= 1 for place in placed.values() for value in place)


def test_equal_sections_and_few_of_them_can_be_drawn_too():
    assert not np.isnan(positions(np.ones((3, 4)))).any()
    assert map_html([], np.empty((0,))) == ""


def test_a_large_library_is_sampled_evenly(add, store):
    add("".join(f"## Topic {n}\nWords about {n}.\n\n" for n in range(30)))
    chunks, vectors = store.sections(10)
    assert [chunk.heading for chunk in chunks] == [f"Topic {n}" for n in range(0, 30, 3)]
    assert vectors.shape == (10, 384)


def test_dates_are_summed_by_month_and_by_year_where_there_are_many():
    assert by_period({"2025-11-30": 2, "2025-12-01": 1, "2026-02-02": 4, "2026-02-09": 1}) == {
        "2025-11": 2, "2025-12": 1, "2026-01": 0, "2026-02": 5,
    }  # fmt: skip
    assert by_period({"2019-01-01": 1, "2026-05-05": 2}) == {
        "2019": 1, **dict.fromkeys(map(str, range(2020, 2026)), 0), "2026": 2,
    }  # fmt: skip
    assert by_period({"0001-01-01": 1, "2026-05-05": 2}) == {"0001": 1, "2026": 2}
    assert by_period({}) == {}
