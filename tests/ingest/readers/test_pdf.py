"""The samples: bees.pdf is from LaTeX (two columns), diary.pdf from LibreOffice, scan.pdf has a picture of the diary's
second page as its second page, and locked.pdf is scan.pdf behind a password."""

import random
import shutil
import time
import zlib

import pytest

from ingest.readers.pdf import read_pdf
from ingest.reading import Unreadable
from ingest.split import split
from knowledge.encoder import OnnxEncoder
from knowledge.settings import DEFAULT_EMBEDDING_MODEL
from tests.conftest import ROOT

FILES = ROOT / "tests" / "files"


def sample(name):
    return (FILES / name).read_bytes()


@pytest.fixture(scope="module")
def bees():
    return read_pdf(sample("bees.pdf"))


@pytest.fixture(scope="module")
def diary():
    return read_pdf(sample("diary.pdf"))


@pytest.fixture
def no_tesseract(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


def section(reading, *path):
    [found] = [section for section in reading.sections if section.heading_path == path]
    return reading.text[found.start : found.end].strip()


def page_text(reading, number):
    starts = {place.first: offset for offset, place in reading.places}
    return reading.text[starts[number] : starts.get(number + 1)]


def make_pdf(*contents, more=(), catalog=b"", page=b"", count=None):
    """A PDF by hand with a page for each of `contents`; where it is one, it is object 4, and `more` starts with 6."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R %s>>" % catalog,
        b"<</Type/Pages/Kids[%s]/Count %d>>"
        % (b" ".join(b"%d 0 R" % (4 + 2 * n) for n in range(len(contents))), count or len(contents)),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for content in contents:
        packed = zlib.compress(content)
        resources = b"/Contents %d 0 R/Resources<</Font<</F 3 0 R>>>>" % (len(objects) + 2)
        objects += [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]%s%s>>" % (resources, page),
            b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed),
        ]
    body, offsets = b"%PDF-1.7\n", []
    for number, text in enumerate([*objects, *more], start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(offsets) + 1
    trailer = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def draw(*lines, size=12, top=780, leading=14):
    return b"".join(
        b"BT /F %d Tf 72 %d Td (%s) Tj ET\n" % (size, top - leading * row, line.encode("latin-1"))
        for row, line in enumerate(lines)
    )


# -- text ----------------------------------------------------------------------------------------------------------


def test_the_columns_of_a_paper_are_read_one_after_the_other(bees):
    order = ["Abstract", "1 Introduction", "2.1 Weighing", "2.2 Counting mites", "3 Results", "twelve kilograms"]
    places = [bees.text.index(words) for words in order]
    assert places == sorted(places)


def test_words_broken_at_a_line_end_are_whole_again(bees):
    assert "\ufffe" not in bees.text
    assert "unpredictable circumstances" in bees.text
    assert "low without chemicals" in bees.text


def test_a_broken_word_keeps_the_hyphen_that_it_has_elsewhere(bees):
    assert "the well-known lime trees" in bees.text


def test_headers_footers_and_page_numbers_are_no_text(bees, diary):
    assert "Bees on the roof" not in bees.text
    assert not any(line.strip().isdigit() for line in bees.text.split("\n"))
    assert "Diary of the roof" not in diary.text
    assert "Page" not in diary.text


def test_what_recurs_without_standing_on_most_pages_is_kept():
    names = ("bees", "wax", "bees", "smoke")
    reading = read_pdf(make_pdf(*(draw(f"Chapter about {name}", f"{name} is told of here.") for name in names)))
    assert reading.text.count("Chapter about bees") == 2


def test_a_caption_at_the_foot_of_its_page_is_no_page_number():
    last = ("Figure 1", "The end of it", "Really the end")
    reading = read_pdf(make_pdf(*(draw("Some text.", words, str(n + 1)) for n, words in enumerate(last))))
    assert "Figure 1" in reading.text
    assert not any(line in "123" for line in reading.text.split("\n") if line)


def test_paragraphs_are_told_by_their_gaps_and_indents(bees, diary):
    paragraphs = diary.text.split("\n\n")
    assert [paragraph.split()[1] for paragraph in paragraphs if paragraph.startswith("In ")][:3] == [
        "January",
        "February",
        "March",
    ]
    assert "asked the neighbours, which was a mistake.\n\n" in bees.text


def test_a_sentence_that_goes_on_over_the_page_is_not_torn(diary):
    second = page_text(diary, 2)
    assert second[0].islower()
    start = diary.text.index(second)
    assert diary.text[start - 1] == "\n"
    assert diary.text[start - 2] != "\n"


def test_a_page_that_is_turned_reads_as_it_is_shown():
    lines = ((72, "First line,"), (86, "second line."), (120, "Another paragraph."))
    content = b"".join(b"BT /F 12 Tf 0 1 -1 0 %d 72 Tm (%s) Tj ET\n" % (x, text.encode()) for x, text in lines)
    assert read_pdf(make_pdf(content, page=b"/Rotate 90")).text == "First line,\nsecond line.\n\nAnother paragraph."


def test_bullets_are_items_even_where_the_font_does_not_name_them(diary):
    items = [diary.text[offset:].split("\n")[0] for offset in diary.items]
    assert items == ["• buy sugar", "• paint the boards"]


# -- headings, links, what the document says of itself -------------------------------------------------------------


def test_bookmarks_are_the_headings_and_stand_where_their_titles_stand(bees):
    assert [found.heading_path for found in bees.sections] == [
        (),
        ("Introduction",),
        ("Method", "Weighing"),
        ("Method", "Counting mites"),
        ("Results",),
    ]
    assert section(bees, "Method", "Weighing").startswith("Every hive stands on a scale.")
    assert section(bees, "Results").startswith("The well-known limes flowered early.")
    lines = bees.text.split("\n")
    assert [lines[found.first_line] for found in bees.sections][1:] == [
        "1 Introduction",
        "2.1 Weighing",
        "2.2 Counting mites",
        "3 Results",
    ]


def test_without_bookmarks_there_is_one_section(diary):
    assert [(found.heading_path, found.start, found.end) for found in diary.sections] == [((), 0, len(diary.text))]
    assert {offset for offset, _ in diary.places} <= set(diary.blocks)


def test_a_bookmark_whose_title_is_nowhere_starts_where_it_points():
    content = draw("Above.", "Below one.", "Below two.")
    reading = read_pdf(make_pdf(content, more=outline(("Elsewhere", 770)), catalog=b"/Outlines 6 0 R"))
    assert section(reading, "Elsewhere") == "Below one.\nBelow two."
    assert section(reading) == "Above."


def outline(*bookmarks):
    """Bookmarks of a single page as objects from number 6 on: titles, and the heights that they lead to."""
    marks = (
        b"<</Title(%s)/Parent 6 0 R/Next %d 0 R/Dest[4 0 R/XYZ 0 %d 0]>>" % (title.encode("latin-1"), 8 + n, top)
        for n, (title, top) in enumerate(bookmarks)
    )
    return b"<</First 7 0 R/Last %d 0 R>>" % (6 + len(bookmarks)), *marks


def test_of_several_headings_that_read_alike_the_bookmark_means_the_one_that_it_points_at():
    content = draw("Example", "first", "Example", "second")
    reading = read_pdf(make_pdf(content, more=outline(("Example", 765)), catalog=b"/Outlines 6 0 R"))
    assert section(reading, "Example") == "second"


def test_the_numbers_of_a_bookmark_and_of_its_heading_need_not_agree():
    content = draw("Appendix B The scales", "They are old.", "Chapter 4", "The honey", "It is sweet.")
    marks = outline(("B The scales", 790), ("4. The honey", 760))
    reading = read_pdf(make_pdf(content, more=marks, catalog=b"/Outlines 6 0 R"))
    assert section(reading, "B The scales") == "They are old."
    assert section(reading, "4. The honey") == "It is sweet."


def test_links_are_known_with_their_words_and_lines(bees, diary):
    lines = bees.text.split("\n")
    survey, scale = bees.links
    assert (survey[1].text, survey[1].url) == ("the survey of city hives", "https://example.org/bees")
    assert "survey of city hives" in lines[survey[0]]
    assert scale[1].url == "https://example.net/roof/hives/scales-for-hives?id=7", "broken over two lines, and one link"
    assert "https://example.net/roof/" in lines[scale[0]]
    assert [link.url for _, link in diary.links] == ["https://example.org/diary/2023"]


def test_a_link_over_two_lines_is_one():
    place = b"<</Type/Annot/Subtype/Link/Rect[%s]/A<</S/URI/URI(http://example.org/far)>>>>"
    links = b"/Annots[%s %s]" % (place % b"105 770 300 795", place % b"70 757 300 777")
    reading = read_pdf(make_pdf(draw("Look at the far side", "of the moon"), page=links))
    [(line, link)] = reading.links
    assert (line, link.url) == (0, "http://example.org/far")
    assert link.text.startswith("at the far side")
    assert link.text.endswith("of the moon")


def test_an_address_that_shows_without_its_scheme_is_one_link():
    link = b"/Annots[<</Type/Annot/Subtype/Link/Rect[70 770 300 795]/A<</S/URI/URI(https://www.a.example/)>>>>]"
    [(_, found)] = read_pdf(make_pdf(draw("www.a.example"), page=link)).links
    assert found.url == "https://www.a.example/"


def test_title_author_and_date_come_from_the_document(bees):
    assert (bees.title, bees.author, bees.published) == ("Keeping bees on a city roof", "Ada Moss", "2024-03-05")


def test_a_title_that_a_program_made_up_is_none(diary):
    assert diary.title == ""


def test_without_a_title_the_largest_words_of_the_first_page_are_it():
    lines = draw("A paper without metadata", size=20, top=800) + draw(*["Its text is smaller by far."] * 9, top=700)
    assert read_pdf(make_pdf(lines)).title == "A paper without metadata"


def test_a_passage_knows_its_pages(bees, models):
    encoder = OnnxEncoder(models / DEFAULT_EMBEDDING_MODEL)
    chunks = split("bees.pdf", bees, encoder)
    assert str(chunks[0].place) == "page 1"
    assert str(chunks[-1].place) == "page 3"
    assert any(chunk.place.first < chunk.place.last for chunk in chunks)
    for chunk in chunks:
        together = "".join(page_text(bees, n) for n in range(chunk.place.first, chunk.place.last + 1))
        assert chunk.text in together


# -- scans ---------------------------------------------------------------------------------------------------------


def test_a_page_without_text_is_named(no_tesseract):
    reading = read_pdf(sample("scan.pdf"))
    assert "In January" in reading.text
    assert reading.problem == "page 2 holds no text: install Tesseract to read scanned pages"


def test_pages_without_text_are_named_in_runs(no_tesseract):
    strokes = b"".join(b"%d 0 m 10 10 l S\n" % n for n in range(50))
    reading = read_pdf(make_pdf(strokes, strokes, strokes))
    assert reading.text == ""
    assert reading.sections == []
    assert reading.problem == "pages 1–3 hold no text: install Tesseract to read scanned pages"


def test_a_blank_page_is_no_scan(no_tesseract):
    assert read_pdf(make_pdf(b"", b"")).problem == "holds no text"


@pytest.mark.skipif(not shutil.which("tesseract"), reason="Tesseract is not installed")
def test_a_scanned_page_is_read():
    reading = read_pdf(sample("scan.pdf"))
    assert "In May the hives were opened 6 times." in page_text(reading, 2)
    assert reading.problem == ""


def test_a_page_that_tesseract_cannot_read_is_named(tmp_path, monkeypatch):
    broken = tmp_path / "tesseract"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(broken))
    assert read_pdf(sample("scan.pdf")).problem == "page 2 could not be read by Tesseract"


# -- what cannot be read -------------------------------------------------------------------------------------------


def test_a_locked_document_says_so():
    with pytest.raises(Unreadable, match="is locked with a password"):
        read_pdf(sample("locked.pdf"))


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"no PDF at all", b"\0" * 1000])
def test_what_is_no_pdf_says_so(data):
    with pytest.raises(Unreadable, match="is not a readable PDF"):
        read_pdf(data)


def test_pages_that_are_missing_are_named():
    reading = read_pdf(make_pdf(draw("The only page."), count=5))
    assert reading.text == "The only page."
    assert reading.problem == "pages 2–5 are damaged"


@pytest.mark.parametrize("name", ["bees.pdf", "diary.pdf"])
def test_damage_of_any_kind_ends_in_a_result_or_a_reason(name, no_tesseract):
    data = sample(name)
    noise = random.Random(11)
    read = 0
    for n in range(300):
        damaged = bytearray(data[: noise.randrange(len(data))] if n % 2 else data)
        for _ in range(noise.choice((0, 3, 30))):
            damaged[noise.randrange(len(damaged))] = noise.randrange(256)
        try:
            reading = read_pdf(bytes(damaged))
        except Unreadable as reason:
            assert str(reason)
        else:
            read += 1
            assert all(0 <= found.start <= found.end <= len(reading.text) for found in reading.sections)
    assert read > 20, "not every damage should make a document unreadable"


def hostile_bookmarks(count):
    first = b"<</First 7 0 R/Last %d 0 R>>" % (6 + count)
    one = b"<</Title(Hello there)/Parent 6 0 R/Next %d 0 R/First 7 0 R/Dest[4 0 R/XYZ 0 700 0]>>"
    return (first, *(one % (8 + n) for n in range(count)))


@pytest.mark.parametrize(
    "data",
    [
        make_pdf(draw("Hello there"), more=hostile_bookmarks(5000), catalog=b"/Outlines 6 0 R"),
        make_pdf(draw("Hello there"), count=2**30),
        make_pdf(draw("Hello there") * 20_000),
        make_pdf(b" " * 100_000_000),
        make_pdf(*[draw("Hello there")] * 3000),
        make_pdf(draw("Hello there"), page=b"/MediaBox[0 0 1e30 1e30]/Rotate 90"),
        make_pdf(b"q " * 1_000_000),
    ],
    ids=["circular bookmarks", "count that lies", "one full page", "bomb", "many pages", "huge page", "deep nesting"],
)
def test_hostile_documents_are_read_in_bounded_time(data, no_tesseract):
    started = time.monotonic()
    try:
        read_pdf(data)
    except Unreadable as reason:
        assert str(reason)
    assert time.monotonic() - started < 60
