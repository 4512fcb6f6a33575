"""winter.epub was written by pandoc (EPUB 3); the other books are put together here."""

import io
import random
import time
import zipfile

import pytest

from ingest.readers.epub import read_epub
from ingest.reading import Unreadable
from tests.conftest import ROOT

SAMPLE = (ROOT / "tests" / "files" / "winter.epub").read_bytes()
CONTAINER = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
NAV = '<item id="nav" href="nav.xhtml" properties="nav"/>'
NCX = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'


def book(chapters, items="", metadata="", spine=None, **more):
    """An EPUB of chapters by file name, each the XHTML of its body."""
    manifest = "".join(f'<item id="{name}" href="{name}"/>' for name in chapters)
    order = "".join(f'<itemref idref="{name}"/>' for name in (chapters if spine is None else spine))
    package = (
        f'<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>{metadata}</metadata>'
        f"<manifest>{manifest}{items}</manifest><spine>{order}</spine></package>"
    )
    members = {"META-INF/container.xml": CONTAINER, "OPS/book.opf": package}
    members |= {f"OPS/{name}": page(body) for name, body in chapters.items() if body is not None}
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (members | more).items():
            archive.writestr(name, content)
    return data.getvalue()


def page(body):
    return f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{body}</body></html>'


@pytest.fixture(scope="module")
def winter():
    return read_epub(SAMPLE)


def test_chapters_come_in_the_order_of_the_spine():
    chapters = {"b.xhtml": "<h1>Second</h1><p>two</p>", "a.xhtml": "<h1>First</h1><p>one</p>"}
    assert read_epub(book(chapters, spine=["a.xhtml", "b.xhtml"])).text == "# First\n\none\n\n# Second\n\ntwo"


def test_headings_lists_tables_and_code_stay_what_they_are(winter):
    assert ("Preparing the hive", "Tools", "Code") in [found.heading_path for found in winter.sections]
    assert "1. Smoker\n   - fuel\n   - lighter\n     - matches\n2. Veil" in winter.text
    assert "| North | 12.5 | 14 |" in winter.text
    assert "    # not a heading\n    return hive.mass * 2\n```" in winter.text


def test_title_author_and_date_come_from_the_package(winter):
    assert (winter.title, winter.author, winter.published) == ("Winter on the roof", "Ada Moss", "2024-03-05")
    metadata = (
        "<dc:title>Two hands</dc:title><dc:creator>A</dc:creator><dc:creator>B</dc:creator><dc:date>1925</dc:date>"
    )
    reading = read_epub(book({"a.xhtml": "<h1>Chapter</h1>"}, metadata=metadata))
    assert (reading.title, reading.author, reading.published) == ("Two hands", "A, B", "1925")


def test_links_to_the_web_are_kept_and_links_within_the_book_are_not(winter):
    assert {link.url for _, link in winter.links} == {"https://example.org/bees?a=1&b=2", "https://example.net/x"}
    assert "a footnote.1 Emoji" in winter.text
    assert read_epub(book({"a.xhtml": '<p><a href="b.xhtml#x">Go on</a>.</p>'})).text == "Go on."


def test_entities_and_empty_elements_of_xhtml_lose_no_text():
    body = '<p>caf&eacute;&nbsp;one<a id="x"/> two</p><script src="x.js"/><div id="e"/><p>three</p>'
    text = read_epub(book({"a.xhtml": body})).text.replace("\xa0", " ")
    assert text == "café one two\n\nthree"


def test_the_encoding_that_a_chapter_declares_counts():
    chapter = '<?xml version="1.0" encoding="iso-8859-7"?><html><body><p>Καλημέρα</p></body></html>'
    data = book({"a.xhtml": None}, **{"OPS/a.xhtml": chapter.encode("iso-8859-7")})
    assert read_epub(data).text == "Καλημέρα"


@pytest.mark.parametrize(
    ("item", "name", "contents"),
    [
        (
            NAV,
            "nav.xhtml",
            '<html xmlns:epub="x"><body><nav epub:type="landmarks"><ol><li><a href="a.xhtml">Begin</a></li></ol></nav>'
            '<nav epub:type="toc"><ol><li><a href="a.xhtml">Morning</a>'
            '<ol><li><a href="a.xhtml#noon">Noon</a></li></ol></li>'
            '<li><a href="b%20c.xhtml">Evening</a></li></ol></nav></body></html>',
        ),
        (
            NCX,
            "toc.ncx",
            '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>'
            '<navPoint><navLabel><text>Morning</text></navLabel><content src="a.xhtml"/>'
            '<navPoint><navLabel><text>Noon</text></navLabel><content src="a.xhtml#noon"/></navPoint></navPoint>'
            '<navPoint><navLabel><text>Evening</text></navLabel><content src="b%20c.xhtml"/></navPoint></navMap></ncx>',
        ),
    ],
    ids=["EPUB 3", "EPUB 2"],
)
def test_the_table_of_contents_names_what_has_no_heading(item, name, contents):
    chapters = {
        "a.xhtml": "<p>Bread.</p><div><p>Soup <b id='noon'>at twelve</b>.</p></div>",
        "b c.xhtml": "<p>Tea.</p>",
        "d.xhtml": "<h1>Night</h1><p>Nothing.</p>",
    }
    reading = read_epub(book(chapters, items=item, **{f"OPS/{name}": contents}))
    assert [(found.heading_path, reading.text[found.start : found.end].strip()) for found in reading.sections] == [
        (("Morning",), "Bread."),
        (("Morning", "Noon"), "Soup at twelve."),
        (("Evening",), "Tea."),
        (("Night",), "Nothing."),
    ]


def test_the_page_with_the_table_of_contents_is_no_chapter():
    contents = {"OPS/nav.xhtml": page('<nav type="toc"><ol><li><a href="a.xhtml">Only here</a></li></ol></nav>')}
    data = book({"a.xhtml": "<h1>Chapter</h1>"}, items=NAV, spine=["nav", "a.xhtml"], **contents)
    assert read_epub(data).text == "# Chapter"


def test_a_chapter_that_is_missing_is_told():
    reading = read_epub(book({"a.xhtml": "<p>Here.</p>", "b.xhtml": None}))
    assert (reading.text, reading.problem) == ("Here.", "1 of its 2 parts are missing")


def encryption(algorithm, name):
    return {
        "META-INF/encryption.xml": f'<encryption><EncryptedData><EncryptionMethod Algorithm="{algorithm}"/>'
        f'<CipherData><CipherReference URI="{name}"/></CipherData></EncryptedData></encryption>'
    }


def test_a_locked_book_says_so():
    locked = encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OPS/a.xhtml")
    with pytest.raises(Unreadable, match=r"is locked \(DRM\)"):
        read_epub(book({"a.xhtml": "<p>x</p>"}, **locked))


def test_fonts_that_are_obfuscated_lock_nothing():
    fonts = encryption("http://www.idpf.org/2008/embedding", "OPS/font.otf")
    assert read_epub(book({"a.xhtml": "<p>Open.</p>"}, **fonts)).text == "Open."


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"no zip", book({}).replace(b"book.opf", b"xxxx.opf")])
def test_what_is_no_book_says_so(data):
    with pytest.raises(Unreadable, match="is damaged"):
        read_epub(data)


def test_entities_of_a_package_are_not_expanded():
    entities = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(12))
    package = f'<!DOCTYPE p [<!ENTITY l0 "ha">{entities}]><package><metadata>&l12;</metadata></package>'
    started = time.monotonic()
    try:
        assert read_epub(book({}, **{"OPS/book.opf": package})).text == ""
    except Unreadable as reason:
        assert "not well-formed" in str(reason)
    assert time.monotonic() - started < 10


def test_a_chapter_listed_a_thousand_times_is_read_once():
    assert read_epub(book({"a.xhtml": "<p>Once.</p>"}, spine=["a.xhtml"] * 1000)).text == "Once."


@pytest.mark.parametrize(
    "body",
    ["<div>" * 100_000 + "deep", "<p>word " * 50_000, "x" * 5_000_000, "<p><a href='#x'>" * 20_000],
    ids=["deep", "paragraphs", "one line", "links"],
)
def test_hostile_chapters_are_read_in_bounded_time(body):
    started = time.monotonic()
    read_epub(book({"a.xhtml": body}))
    assert time.monotonic() - started < 60


def noisy(data, noise):
    changed = bytearray(data)
    for _ in range(noise.choice((1, 3, 30)) if changed else 0):
        changed[noise.randrange(len(changed))] = noise.randrange(256)
    return bytes(changed[: noise.randrange(len(changed))] if changed and noise.random() < 0.3 else changed)


def repacked(data, noise):
    """The archive with one member damaged and the checksums right again."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as packed, zipfile.ZipFile(changed, "w") as archive:
        victim = noise.choice(packed.namelist())
        for name in packed.namelist():
            content = packed.read(name)
            archive.writestr(name, noisy(content, noise) if name == victim else content)
    return changed.getvalue()


def test_damage_of_any_kind_ends_in_a_result_or_a_reason():
    noise = random.Random(17)
    read = 0
    for n in range(450):
        try:
            read_epub(repacked(SAMPLE, noise) if n % 2 else noisy(SAMPLE, noise))
            read += 1
        except Unreadable as reason:
            assert str(reason)
    assert read > 50, "not every damage should make a book unreadable"
