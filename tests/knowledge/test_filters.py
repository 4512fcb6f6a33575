"""What a filter lets through is found although far more, and far better, matches lie outside of it."""

import json
import os
import sqlite3
from datetime import datetime
from pathlib import Path

import chromadb
import pytest

from ingest.pipeline import ingest
from knowledge.documents import Chunk, Document, Link, Reference
from knowledge.ranking import CANDIDATES
from knowledge.store import Store
from tests.conftest import make_settings

QUESTION = "how often do I water the roses"

NOTES = {
    "garden/plan.md": "# Plan\n## Compost\nTurn the heap on Sundays.\n## Shed\nMend the door. #todo\n",
    "garden/beds/north.md": "---\ntags: [Outdoor/Beds]\n---\n## Slugs\nCopper keeps them away, see [why](https://www.slugs.example/why).\n",
    "garden/café ideas.md": "---\ndate: 2021-05-03\n---\n## Coffee\nGrounds feed soil. #todo: ask #Outdoor friends.\n",
    "house/boiler.md": "---\ntitle: The boiler\n---\nServiced each autumn by Hansen.\n",
    "house/garden/not.md": "## Cellar\nThe moth balls lie here.\n",
}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory, models):
    """A store in which more passages than any ranking looks at match the question better than those asked for."""
    folder = tmp_path_factory.mktemp("crowded")
    loud = "\n".join(
        f"## Roses {n}\nWater the roses {n} times a week: how often depends on the heat.\n" for n in range(60)
    )
    for name, text in {"loud.md": loud, **NOTES}.items():
        path = folder / "notes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written = datetime(2024, 5, 31, 23, 30) if name == "house/boiler.md" else datetime(2026, 2, 3)
        os.utime(path, (written.timestamp(), written.timestamp()))
    settings = make_settings(folder / "home", models)
    store = Store(settings)
    ingest(store, settings, [folder / "notes"])
    for host, day in (("moss.example", "2023-04-01"), ("blog.moss.example", "2024"), ("notmoss.example", "2019-01")):
        _add_article(store, f"https://{host}/lawn", host, day)
    yield store
    store.close()


def _add_article(store, url, host, day):
    chunk = Chunk(
        url, "On moss", ("On moss", host), (1, 1), "Lime stops moss on " + host, links=(Link("why", "https://slugs.example"),),
        kind="article", url=url,
    )  # fmt: skip
    store.embed([chunk])
    references = (Reference("why", "https://slugs.example", "slugs.example/", 1, chunk.heading_path),)
    store.add([Document(url, "On moss", "", kind="article", url=url, key=f"{host}/lawn", published=day,
                        chunks=(chunk,), references=references if "not" in host else ())])  # fmt: skip


def _found(store, query, k=CANDIDATES):
    return {hit.chunk.heading_path[-1] for hit in store.search(query, k)}


ARTICLES = {"moss.example", "blog.moss.example", "notmoss.example"}


@pytest.mark.parametrize(
    "filters, expected",
    [
        ("[[the Boiler]]", {"The boiler"}),  # title
        ("[[Plan]]", {"Compost", "Shed"}),  # file name
        ("[[plan.md]]", {"Compost", "Shed"}),
        ("[[Beds/north]]", {"Slugs"}),
        ("[[CAFE\u0301 ideas]]", {"Coffee"}),  # an accent written in the other way
        ("[[Slugs]]", {"Slugs"}),  # heading
        ("[[plan#Shed]]", {"Shed"}),
        ("[[#Shed]]", {"Shed"}),
        ("[[plan#Slugs]]", set()),
        ("[[plan]] [[slugs]]", {"Compost", "Shed", "Slugs"}),
        ("[[pla]]", set()),
        ("#TODO", {"Shed", "Coffee"}),
        ("#outdoor", {"Slugs", "Coffee"}),
        ("#outdoor/beds", {"Slugs"}),
        ("#todo #outdoor", {"Coffee"}),
        ("in:garden", {"Compost", "Shed", "Slugs", "Coffee", "Cellar"}),
        ("in:notes/Garden", {"Compost", "Shed", "Slugs", "Coffee"}),
        ("in:beds/north.md", {"Slugs"}),
        ('in:"garden/café ideas.md" in:house/', {"Coffee", "The boiler", "Cellar"}),
        ("in:gard", set()),
        ("site:moss.example", {"moss.example", "blog.moss.example"}),
        ("site:slugs.example", {"Slugs", "notmoss.example"}),
        ("kind:article", ARTICLES),
        ('"turn the heap"', {"Compost"}),
        ('"mend the" "door"', {"Shed"}),
        ('"mend the" "heap"', {"Compost", "Shed"}),  # no passage holds both
        ('"mend the" "purple elephants"', {"Shed"}),
        ("date:2021", {"Coffee"}),
        ("date:2024-05", {"The boiler"}),  # its file was written on the last evening of May
        ("before:2024-06", {"The boiler", "Coffee", *ARTICLES}),
        ("after:2024-06 in:garden", {"Compost", "Shed", "Slugs", "Cellar"}),
        ("after:2023 kind:article", {"moss.example", "blog.moss.example"}),
        ("kind:note site:moss.example", set()),
        ('in:garden "mend the" #todo', {"Shed"}),
        ("[[Plan]] #todo after:2026 kind:note", {"Shed"}),
    ],
)
def test_a_filter_is_kept_whatever_matches_better_outside_of_it(crowded, filters, expected):
    asked = f"{filters} {QUESTION}"
    found = _found(crowded, asked)
    assert found == expected
    assert not found & _found(crowded, QUESTION)
    for ranking in (crowded.rank_dense, crowded.rank_sparse):
        assert all(hit.chunk.heading_path[-1] in expected for hit in ranking(asked))


def test_only_folders_inside_what_was_ingested_are_filters(crowded, store, settings, tmp_path):
    (root,) = crowded.roots()
    for above in Path(root).parts[1:-1]:
        assert _found(crowded, f'in:"{above}" {QUESTION}') == set()
    file = tmp_path / "house" / "attic.md"
    file.parent.mkdir()
    file.write_text("## Attic\nThe ladder is up there.\n")
    ingest(store, settings, [file])
    assert _found(store, "in:house/attic.md ladder") == {"Attic"}
    assert _found(store, "in:house ladder") == set()


def test_a_tag_that_no_note_has_is_a_word(add, store):
    add("## Headers\nIn C, #include copies a file.\n## Other\nNothing.\n#done\n")
    assert store.search("what does #include do?", 1)[0].chunk.heading_path == ("Headers",)
    assert [hit.chunk.heading_path for hit in store.search("anything #done", 5)] == [("Other",)]


def test_quoted_words_that_stand_nowhere_are_no_filter(crowded):
    assert crowded.search('"Purple elephants" roses', 1)[0].chunk.heading.startswith("Roses")
    assert _found(crowded, 'in:garden "purple elephants"') == _found(crowded, "in:garden")


def test_inside_a_filter_the_best_comes_first(crowded):
    assert [hit.chunk.heading_path[-1] for hit in crowded.search("in:garden #todo coffee grounds", 2)] == [
        "Coffee", "Shed",
    ]  # fmt: skip
    (hit,) = crowded.search("in:garden does copper keep slugs away?", 1)
    assert (hit.chunk.heading_path[-1], hit.dense_rank) == ("Slugs", 1)


def test_of_passages_that_are_alike_only_those_inside_the_filter_are_found(add, store):
    text = "## Same\nThe very same words.\n"
    for name in ("one/a.md", "two/b.md"):
        add(text, name)
    (hit,) = store.search("in:two same words", 5)
    assert hit.chunk.source.endswith("two/b.md")


def test_a_long_section_is_found_whole_by_a_link_in_it(add, store):
    sentences = [f"Sentence number {n} tells of thing {n} at some length, so that it fills it." for n in range(40)]
    add("## Long\n" + "\n\n".join(sentences) + "\n\n[more](https://far.example/x)\n\n## Other\nNothing.\n")
    hits = store.search("site:far.example thing", 5)
    assert {hit.chunk.heading_path for hit in hits} == {("Long",)}
    assert len(hits) > 1


def test_a_page_that_tells_no_date_is_as_old_as_its_fetch(add, store, settings):
    add("## Here\nA note.\n")
    _add_article(store, "https://moss.example/lawn", "moss.example", "")
    assert _found(store, "moss date:2022-07") == set()
    with sqlite3.connect(settings.home / "catalogue.sqlite") as db:
        db.execute(
            "INSERT INTO pages VALUES ('moss.example/lawn', '', '', '', '', '2022-07-09T10:00:00Z', '', '', '', '', '')"
        )
    assert _found(store, "moss date:2022-07") == {"moss.example"}
    assert _found(store, "moss before:2022-07") == set()


def test_a_lost_vector_leaves_the_others_to_be_found(add, store, settings):
    add("## One\nFirst note. #x\n## Two\nSecond note. #x\n## Three\nThird. #x\n")
    lost, *others = store.search("#x note", 3)
    store.close()
    client = chromadb.PersistentClient(str(settings.home / "chroma" / "1"))
    client.get_collection("chunks").delete(ids=[lost.chunk.vector_id])
    client.close()
    fresh = Store(settings)
    assert [hit.chunk for hit in fresh.rank_dense("#x note")] == [hit.chunk for hit in others]
    fresh.close()


def test_filters_work_on_the_command_line(add, run):
    add("## Roses\nWater the roses at dawn. #todo\n## Lawn\nWater the lawn. #done\n", "garden/a.md")
    add("## Elsewhere\nWater the horses. #todo\n", "farm/b.md")
    found = run("search", 'in:garden "water the" #todo', "--json")
    assert [json.loads(line)["heading_path"] for line in found.stdout.splitlines()] == [["Roses"]]
    wrong = run("search", "water kind:poem")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("Error: kind:poem is no filter")
    assert len(wrong.stderr.splitlines()) == 1
    assert run("search", "[[nowhere]] roses").stdout == "Nothing in your notes matches.\n"
    refused = json.loads(run("ask", "[[nowhere]] when do I water the roses?", "--engine", "extract", "--json").stdout)
    assert refused["route"] == "none"
    assert refused["answer"].startswith("Nothing in your notes matches")
