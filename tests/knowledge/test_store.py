import multiprocessing
import sqlite3
from types import SimpleNamespace

import pytest

from ingest.pipeline import ingest, remove
from knowledge.catalogue import Catalogue
from knowledge.errors import NotesError
from knowledge.evidence import gather
from knowledge.ranking import CANDIDATES
from knowledge.store import Store
from knowledge.vectors import Vectors
from tests.conftest import make_settings


def test_a_note_is_found_by_meaning_and_by_word(add, store):
    add("## Sourdough\nFeed the starter twice a day.\n\n## Bicycle\nOil the chain after rain.\n")
    assert store.search("baking bread with natural yeast", 1)[0].chunk.heading_path == ("Sourdough",)
    hit = store.search("chain", 1)[0]
    assert hit.chunk.heading_path == ("Bicycle",)
    assert (hit.dense_rank, hit.sparse_rank) == (1, 1)
    assert 0 < hit.coverage <= 1


@pytest.mark.parametrize("query", ['"', "a AND OR NOT (", "*", "C++", "", "  ", "né\u0000e", "heading:x", "\ud800"])
def test_any_text_can_be_searched_for(add, store, query):
    add("## Languages\nC++ and Rust.\n")
    assert isinstance(store.search(query, 3), list)


def test_words_are_found_in_other_forms_and_without_accents(add, store):
    add("## Café\nRunning shoes.\n## Other\nNothing.\n")
    assert store.rank_sparse("run")[0].chunk.heading_path == ("Café",)
    assert store.rank_sparse("cafe")[0].chunk.heading_path == ("Café",)


@pytest.mark.parametrize(("asked", "found"), [("October", "Concert"), ("wed", "Choir"), ("sat", "Cat")])
def test_a_month_or_a_day_is_found_by_its_full_and_its_short_name(add, store, asked, found):
    add("## Concert\n16 Oct, in black.\n## Choir\nEvery Wednesday at eight.\n## Cat\nShe sat there.\n")
    assert [hit.chunk.heading for hit in store.rank_sparse(f"what is on in {asked}?")] == [found]


def test_the_heading_counts_more_than_the_text(add, store):
    add("## Regression\nStraight lines.\n## Lines\nAbout regression once.\n## Cats\nPurr.\n## Dogs\nBark.\n")
    assert store.rank_sparse("regression")[0].chunk.heading_path == ("Regression",)


def test_equal_passages_share_a_vector_and_both_are_found(add, store):
    add("## Same\nThe very same words.\n", "a.md")
    add("## Same\nThe very same words.\n", "b.md")
    hits = store.search("very same words", 5)
    assert {hit.chunk.source.rsplit("/", 1)[1] for hit in hits} == {"a.md", "b.md"}
    [source, _] = [listed.document.source for listed in store.documents()]
    store.remove(source)
    assert len(store.search("very same words", 5)) == 1


def test_a_passage_that_is_repeated_without_end_fills_no_search(store, settings, tmp_path):
    (tmp_path / "same.csv").write_text("name,city\n" + "Ada,London\n" * 3 * CANDIDATES)
    (tmp_path / "note.md").write_text("## Ada\nShe was born in London.\n")
    ingest(store, settings, [tmp_path / "same.csv", tmp_path / "note.md"])
    assert len(store.rank_dense("Ada")) == CANDIDATES + 1
    assert all(hit.similarity for hit in store.search("Ada", 3 * CANDIDATES))


def test_what_late_interaction_reads_comes_and_goes_with_the_passages(add, store, tmp_path):
    add("## Kettle\nDescale it with vinegar.\n## Bicycle\nOil the chain.\n")
    best, other = store.search("how to descale a kettle", 2)
    assert best.token_similarity > other.token_similarity > 0
    add("## Kettle\nDescale it with vinegar.\n")
    with sqlite3.connect(tmp_path / "home" / "index" / "1.sqlite") as index:
        (left,) = index.execute("SELECT vector_id FROM token_signs")
        assert left[0] == best.chunk.vector_id
        index.execute("DELETE FROM token_signs")
    # an index that lost them is mended when the passage is written again
    add("## Kettle\nDescale it with vinegar.\n\n## Cat\nIt sleeps.\n")
    assert store.search("how to descale a kettle", 1)[0].token_similarity == pytest.approx(
        best.token_similarity, abs=0.1
    )


def test_the_whole_section_comes_back_from_any_part_of_it(add, store):
    sentences = [
        f"Sentence number {n} tells of thing {n} at some length, so that it fills the passage." for n in range(40)
    ]
    add("## Long\n" + "\n\n".join(sentences) + "\n")
    chunk = store.search("thing 20", 1)[0].chunk
    whole = store.around(chunk)
    assert chunk.text in whole.text
    assert whole.lines[0] <= chunk.lines[0]
    assert whole.lines[1] >= chunk.lines[1]
    assert whole.text.count("\n") == whole.lines[1] - whole.lines[0] - (whole.lines[0] == 1)


def test_sections_of_the_same_name_are_read_each_by_itself(add, store):
    days = ("Rain.", "The lake is cold. " * 60 + "\n\n" + "It is deep. " * 60, "Swam in the lake.")
    add("# Trip\n" + "".join(f"## Day\n### Notes\n{text}\n" for text in days), "trip.md")
    add("who,what\nAda,lost a scarf\nAda,found a scarf\n", "log.csv")
    whole = {store.around(hit.chunk) for hit in store.search("lake rain scarf", 100)}
    assert {(section.text[:16], section.lines) for section in whole} == {
        ("Rain.", (3, 4)), ("The lake is cold", (6, 9)), ("Swam in the lake", (11, 12)),
        ("who: Ada\nwhat: l", (1, 2)), ("who: Ada\nwhat: f", (3, 4)),
    }  # fmt: skip
    read = {section.chunk.text for section in gather("Ada and the scarf", store).sections}
    assert read >= {"who: Ada\nwhat: lost a scarf", "who: Ada\nwhat: found a scarf"}


def test_sections_that_are_kept_are_scored_as_all_are(add, store):
    loud = "".join(f"## Tea {n}\nTea {n} wants water of {n} degrees.\n" for n in range(60, 80))
    add(f"## Coffee\n{'Grind the beans finely. ' * 90}\n\nClean the mill.\n{loud}")
    (coffee, *_) = [hit.chunk for hit in store.search("how to grind beans", 1)]
    section = store.around(coffee)
    best, *others = store.search("how hot is the water for tea?", 1, keep=[section])
    assert best.chunk.heading_path[0].startswith("Tea")
    assert len(others) > 1, "every part of the section"
    everything = {hit.chunk: hit for hit in store.search("how hot is the water for tea?", 100)}
    for hit in others:
        assert hit.chunk.heading_path == ("Coffee",)
        assert hit.chunk.text in section.text
        assert (hit.similarity, hit.coverage) == (everything[hit.chunk].similarity, everything[hit.chunk].coverage)
        assert hit.token_similarity > 0
        assert hit.score < best.score


def test_nothing_indexed_is_nothing_found(store):
    assert store.search("anything", 5) == []
    assert store.counts() == (0, 0)


def _write_and_remove(home, models, text, done):
    from ingest.pipeline import ingest

    settings = make_settings(home, models)
    notes = home.parent / "notes"
    notes.mkdir(exist_ok=True)
    (notes / "other.md").write_text(text) if text else (notes / "other.md").unlink()
    store = Store(settings)
    ingest(store, settings, [notes])
    store.close()
    done.set()


def test_what_another_process_writes_and_removes_is_seen_at_the_next_search(add, store, settings, models):
    context = multiprocessing.get_context("spawn")
    add("## Here\nA first note.\n")
    assert store.search("tell me about zebras", 1)[0].chunk.heading_path == ("Here",)
    for text, expected in (("## Zebras\nStriped horses of the savannah.\n", "Zebras"), ("", "Here")):
        done = context.Event()
        process = context.Process(target=_write_and_remove, args=(settings.home, models, text, done))
        process.start()
        process.join(60)
        assert done.is_set()
        hit = store.search("tell me about zebras", 1)[0]
        assert hit.chunk.heading_path == (expected,)
        assert hit.dense_rank == 1


def test_a_second_writer_is_told_to_wait(store, settings):
    other = Store(settings)
    with store.writing(), pytest.raises(NotesError, match="another askmynotes"), other.writing():
        pass
    other.close()


def test_until_the_index_is_made_anew_it_is_searched_with_the_model_that_made_it(add, settings, models):
    add("## One\nA note.\n")
    other = Store(make_settings(settings.home, models, embedding_model="another-model"))
    assert other.search("note", 1)[0].chunk.text == "A note."
    other.close()


def test_where_the_embedding_model_is_gone_it_is_said_how_to_get_it_back(add, settings):
    add("## One\nA note.\n")
    (settings.home / "models").unlink()
    without = Store(settings)
    with pytest.raises(NotesError, match="^the embedding model is not installed: run `askmynotes models install`$"):
        without.search("note", 1)
    without.close()


def test_a_full_disk_is_no_reason_to_throw_the_index_away(tmp_path, settings, monkeypatch):
    path = tmp_path / "catalogue.sqlite"
    path.write_bytes(b"this is no database at all" * 50)
    (settings.home / "chroma" / "1").mkdir(parents=True)
    (settings.home / "chroma" / "1" / "chroma.sqlite3").write_bytes(b"nor is this" * 500)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    for opened in (lambda: Catalogue(tmp_path), lambda: Vectors(settings.home / "chroma" / "1")):
        with pytest.raises(NotesError, match="make room on the disk and try again"):
            opened()


def test_a_damaged_catalogue_is_told_in_one_line(tmp_path):
    path = tmp_path / "catalogue.sqlite"
    path.write_bytes(b"this is no database at all" * 50)
    with pytest.raises(NotesError, match="cannot be opened"):
        Catalogue(tmp_path)


def test_after_a_damaged_catalogue_the_index_that_was_current_is_gone_on_with(add, store, settings, monkeypatch):
    add("## One\nA note.\n")
    monkeypatch.setattr("ingest.pipeline.CHUNKING", "another")
    ingest(store, settings, [])
    store.close()
    path = settings.home / "catalogue.sqlite"
    path.with_name("catalogue.sqlite-wal").unlink(missing_ok=True)
    path.write_bytes(b"this is no database at all" * 50)
    with pytest.raises(NotesError, match="ingest PATH` for each of your folders"):
        Store(settings)
    path.unlink()
    fresh = Store(settings)
    assert fresh.search("note", 1)[0].chunk.text == "A note."
    assert ingest(fresh, settings, [settings.home.parent / "notes"]).unchanged == 1
    fresh.close()


def test_an_index_of_an_older_version_is_made_again_from_what_was_asked_for(add, store, settings):
    add("## One\nA note.\n")
    add("## Two\nTaken out.\n", "two.md")
    remove(store, str(settings.home.parent / "notes" / "two.md"))
    roots = store.roots()
    store.close()
    for path in (settings.home / "catalogue.sqlite", settings.home / "index" / "1.sqlite"):
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 0")
    fresh = Store(settings)
    assert (fresh.counts(), fresh.roots()) == ((0, 0), roots)
    assert ingest(fresh, settings, []).added == 1
    assert fresh.search("note", 1)[0].chunk.text == "A note."
    fresh.close()


def test_a_catalogue_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "catalogue.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(NotesError, match="newer"):
        Catalogue(tmp_path)
