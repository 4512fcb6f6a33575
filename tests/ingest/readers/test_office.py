"""The samples: year.docx and roof.pptx were written by LibreOffice, winter.docx and winter.pptx by pandoc."""

import io
import random
import re
import time
import zipfile

import pytest
from markdown_it import MarkdownIt

from ingest.readers.markup import code_span, escape
from ingest.readers.office import read_docx, read_pptx
from ingest.reading import Unreadable
from ingest.split import split
from knowledge.documents import Place
from knowledge.encoder import OnnxEncoder
from knowledge.settings import DEFAULT_EMBEDDING_MODEL
from tests.conftest import ROOT

FILES = ROOT / "tests" / "files"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
SLIDES = "http://schemas.openxmlformats.org/presentationml/2006/main"


def sample(name):
    return (FILES / name).read_bytes()


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def relations(**targets):
    """Relations by kind; the id of each is its kind."""
    inside = "".join(f'<Relationship Id="{k}" Type="{OFFICE}/{k}" Target="{t}"/>' for k, t in targets.items())
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{inside}</Relationships>'
    )


def docx(body, before="", **parts):
    """A Word file with a body as XML, and further parts of `word/` by their kind."""
    names = {kind: f"{kind}.xml" for kind in parts}
    return zipped(
        {
            "_rels/.rels": relations(officeDocument="word/document.xml"),
            "word/_rels/document.xml.rels": relations(**names),
            "word/document.xml": f'{before}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>',
            **{f"word/{names[kind]}": f'<w:x xmlns:w="{WORD}">{content}</w:x>' for kind, content in parts.items()},
        }
    )


def pptx(*slides, **more):
    """A presentation of slides, each given as the XML of its shapes."""
    ids = "".join(f'<p:sldId id="{256 + n}" r:id="slide{n}"/>' for n in range(len(slides)))
    rels = relations(**{f"slide{n}": f"slides/{n}.xml" for n in range(len(slides))})
    namespaces = f'xmlns:p="{SLIDES}" xmlns:a="{DRAWING}" xmlns:r="{OFFICE}"'
    members = {
        "_rels/.rels": relations(officeDocument="ppt/presentation.xml"),
        "ppt/_rels/presentation.xml.rels": rels,
        "ppt/presentation.xml": f"<p:presentation {namespaces}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
    }
    for n, shapes in enumerate(slides):
        members[f"ppt/slides/{n}.xml"] = f"<p:sld {namespaces}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
    return zipped({**members, **more})


def p(text, style=""):
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{properties}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def shape(text, x=0, y=0, placeholder=""):
    mark = f'<p:ph type="{placeholder}"/>' if placeholder else ""
    place = f'<p:spPr><a:xfrm><a:off x="{x}" y="{y}"/></a:xfrm></p:spPr>'
    body = f"<p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody>"
    return f"<p:sp><p:nvSpPr><p:nvPr>{mark}</p:nvPr></p:nvSpPr>{place}{body}</p:sp>"


@pytest.fixture(scope="module")
def year():
    return read_docx(sample("year.docx"))


@pytest.fixture(scope="module")
def winter():
    return read_docx(sample("winter.docx"))


@pytest.fixture(scope="module")
def deck():
    return read_pptx(sample("winter.pptx"))


# -- Word ----------------------------------------------------------------------------------------------------------


def test_headings_of_any_name_are_known_by_their_outline_level(year, winter):
    assert [found.heading_path for found in year.sections] == [
        (),
        ("Frühling und Sommer",),
        ("Frühling und Sommer", "Tools"),
    ]
    assert [found.heading_path for found in winter.sections][1:4] == [
        ("Preparing the hive",),
        ("Preparing the hive", "Tools"),
        ("Preparing the hive", "Tools", "Code"),
    ]


def test_what_was_deleted_hidden_or_commented_is_out_and_what_was_inserted_is_in(year):
    assert "The hive is opened in spring when it is warm." in year.text
    for gone in ("autumn", "Hidden words", "A comment"):
        assert gone not in year.text


def test_what_was_moved_is_read_once_where_it_is_now():
    run = "<w:r><w:t>{}</w:t></w:r>"
    paragraph = f"<w:p><w:moveFrom>{run}</w:moveFrom><w:moveTo>{run}</w:moveTo><w:del>{run}</w:del></w:p>"
    assert read_docx(docx(paragraph.format("old", "new", "gone"))).text == "new"


def test_lists_are_nested_and_numbered_as_they_were(year, winter):
    assert "1. Smoker\n   - fuel\n     - dry straw\n2. Veil" in year.text
    assert "1. Smoker\n   - fuel\n   - lighter\n     - matches\n2. Veil\n3. Gloves\n" in winter.text
    assert [winter.text[offset:].strip().split("\n")[0] for offset in winter.items][:3] == [
        "1. Smoker",
        "- fuel",
        "- lighter",
    ]


def test_a_list_that_goes_on_after_a_paragraph_counts_on():
    number = '<w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="{}"/></w:numPr></w:pPr>'
    first, second = (p("{}").replace("<w:p>", "<w:p>" + number.format(n)) for n in (1, 2))
    numbering = (
        '<w:abstractNum w:abstractNumId="7"><w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="decimal"/></w:lvl>'
        '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2">'
        '<w:abstractNumId w:val="7"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>'
    )
    body = first.format("a") + p("between") + first.format("b") + p("then") + second.format("c")
    assert read_docx(docx(body, numbering=numbering)).text == "3. a\n\nbetween\n\n4. b\n\nthen\n\n1. c"


def test_tables_keep_their_cells_also_the_merged_ones(year):
    assert (
        "| Hive | Month | Honey \\| kg |\n| --- | --- | --- |\n"
        "| North | May | 4 |\n| North | June | 9 |\n| Together |  | 13 |"
    ) in year.text


def test_the_cells_of_a_row_that_begins_further_right_stand_under_their_columns():
    def row(before, *words):
        cells = "".join(f"<w:tc><w:p><w:r><w:t>{word}</w:t></w:r></w:p></w:tc>" for word in words)
        return f"<w:tr><w:trPr><w:gridBefore w:val='{before}'/><w:gridAfter w:val='1'/></w:trPr>{cells}</w:tr>"

    text = read_docx(docx(f"<w:tbl>{row(0, 'Day', 'Egg', 'Tea')}{row(1, '3')}{row(2, '5')}</w:tbl>")).text
    assert text == "| Day | Egg | Tea |\n| --- | --- | --- |\n|  | 3 |\n|  |  | 5 |"


def test_a_table_without_a_word_says_nothing():
    assert read_docx(docx("<w:tbl><w:tr><w:tc/><w:tc/></w:tr></w:tbl>")).text == ""


def test_a_table_that_only_lays_out_a_page_gives_its_headings():
    styles = '<w:style w:styleId="h"><w:name w:val="heading 1"/></w:style>'
    cells = "".join(f"<w:tc>{p(name, 'h')}{p('About ' + name)}</w:tc>" for name in ("Left", "Right"))
    reading = read_docx(docx(f"<w:tbl><w:tr>{cells}</w:tr></w:tbl>", styles=styles))
    assert [found.heading_path for found in reading.sections] == [("Left",), ("Right",)]


def test_code_is_fenced_with_its_indents(year, winter):
    assert "```\ndef weigh(hive):\n    return hive.mass # kg\n```" in year.text
    assert "```\ndef weigh(hive):\n    # not a heading\n    return hive.mass * 2\n```" in winter.text
    assert "inline `code_here` and" in winter.text
    assert len(winter.fences) == 1


def test_a_typescript_is_no_code():
    words = '<w:p><w:r><w:rPr><w:rFonts w:ascii="Courier New"/></w:rPr><w:t>The door opens.</w:t></w:r></w:p>'
    assert read_docx(docx(words * 3)).text == "\n\n".join(["The door opens."] * 3)
    assert "```\nThe door opens.\n```" in read_docx(docx(words + p("It is a long way to the door.") * 3)).text


def test_a_footnote_stands_under_what_refers_to_it(year, winter):
    assert "2. Veil[^2]\n\n[^2]: White, see [the shop](https://example.org/veil).\n\n```" in year.text
    assert winter.text.index("[^21]: Footnotes matter") < winter.text.index("## Tools")


def test_a_footnote_does_not_tear_the_list_that_it_is_in():
    item = '<w:p><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>{}</w:t>{}</w:r></w:p>'
    body = item.format("one", '<w:footnoteReference w:id="4"/>') + item.format("two", "") + p("after")
    numbering = '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    reading = read_docx(docx(body, numbering=numbering, footnotes=f'<w:footnote w:id="4">{p("Note.")}</w:footnote>'))
    assert reading.text == "- one[^4]\n- two\n\n[^4]: Note.\n\nafter"


def test_links_are_kept_with_their_addresses(year):
    assert {(link.text, link.url) for _, link in year.links} == {
        ("city hives", "https://example.org/hives_(city)"),
        ("the shop", "https://example.org/veil"),
        ("https://example.net/bare", "https://example.net/bare"),
    }


def test_a_link_spelt_out_as_a_field_is_a_link():
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
    address = '<w:r><w:instrText> HYPERLINK "https://example.org/f" </w:instrText></w:r>'
    words = "<w:r><w:t>a field</w:t></w:r>"
    field = mark.format("begin") + address + mark.format("separate") + words + mark.format("end")
    assert read_docx(docx(f"<w:p>{field}</w:p>")).text == "[a field](https://example.org/f)"


def test_text_boxes_powers_and_formulas_are_text(year, winter):
    assert "Boxed advice: keep it dry." in year.text
    assert "10⁶" in year.text
    assert "Math a^2+b^2=c^2 inline" in winter.text


def test_symbols_show_as_what_they_look_like():
    signs = (("Symbol", "F0A3"), ("Symbol", "F070"), ("Wingdings", "F0E0"), ("Arial", "2192"), ("Unheard", "F0FF"))
    runs = "".join(f'<w:r><w:sym w:font="{font}" w:char="{code}"/></w:r>' for font, code in signs)
    assert read_docx(docx(f"<w:p>{runs}</w:p>")).text == "≤π→→"


@pytest.mark.parametrize("name", ["monty-truth.png", "C:\\a b\\Roof 3.JPG", "https://a.example/x.svg"])
def test_a_picture_is_not_described_by_the_name_of_its_file(name):
    words = "A graph.png with a roof"
    paragraphs = (f"<w:p><w:r><w:drawing><w:docPr descr='{one}'/></w:drawing></w:r></w:p>" for one in (name, words))
    assert read_docx(docx("".join(paragraphs))).text == words
    pictures = (f"<p:pic><p:nvPicPr><p:cNvPr descr='{one}'/></p:nvPicPr></p:pic>" for one in (name, words))
    assert read_pptx(pptx("".join(pictures))).text.endswith(f"Slide 1\n\n{words}")


def test_a_text_box_that_is_written_twice_is_read_once():
    box = f"<w:txbxContent>{p('Only once.')}</w:txbxContent>"
    both = f"<w:AlternateContent><w:Choice>{box}</w:Choice><w:Fallback>{box}</w:Fallback></w:AlternateContent>"
    assert read_docx(docx(f"<w:p><w:r>{both}</w:r></w:p>")).text == "Only once."


def test_a_table_of_contents_is_no_text():
    styles = '<w:style w:styleId="T"><w:name w:val="toc 1"/></w:style>'
    assert read_docx(docx(p("Introduction 3", "T") + p("Text."), styles=styles)).text == "Text."


def test_title_author_and_date_come_from_the_document(year):
    assert (year.title, year.author, year.published) == ("Year of the hive", "Ada Moss", "2024-03-05")


# -- what would be markup ------------------------------------------------------------------------------------------


def shown(markdown):
    """The plain words of a paragraph as a browser shows it; None where it is no paragraph."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    if [token.type for token in tokens] != ["paragraph_open", "inline", "paragraph_close"]:
        return None
    words = {"text": lambda child: child.content, "softbreak": lambda child: "\n"}
    return "".join(words.get(child.type, lambda child: f"<{child.type}>")(child) for child in tokens[1].children)


def test_marks_in_the_text_show_as_themselves():
    noise = random.Random(5)
    pieces = (
        "# - * _ ` [ ] ( ) < > ! & ; | ~ \\ 1. 2) : + = --- ``` amp lt a b word http://x [x](y) *a* _b_ <b> \n".split(
            " "
        )
    )
    for _ in range(3000):
        text = "".join(noise.choice(pieces) + noise.choice(("", " ")) for _ in range(noise.randrange(1, 12)))
        text = "\n".join(line for line in (line.strip() for line in text.split("\n")) if line)
        if text:
            assert shown(escape(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "snake_case and 5 * 3",
        "a [note] and #4",
        "see 1.5, 2) or - not",
        "AT&T, x < y > z",
        "a|b",
        "C:\\Users",
        "it's 5*",
        "don't use '_'",
        "[^a-z] and _private",
    ],
)
def test_what_is_no_markup_where_it_stands_is_left_alone(text):
    assert escape(text) == text


def test_code_that_ends_with_a_mark_of_code_stays_code():
    [inline] = [token for token in MarkdownIt().parse(code_span("a`")) if token.type == "inline"]
    assert [(child.type, child.content) for child in inline.children] == [("code_inline", "a`")]


def test_marks_at_the_start_of_a_paragraph_make_no_headings_or_lists(year):
    for line in ("\\# no heading, said Ada", "12\\. December was cold.", "\\- no bullet either"):
        assert f"\n{line}\n" in year.text


# -- PowerPoint ----------------------------------------------------------------------------------------------------


def test_a_slide_is_a_section_under_its_title(deck):
    assert [found.heading_path for found in deck.sections] == [
        ("Winter deck",),
        ("Winter deck", "Keeping warm"),
        ("Winter deck", "Weights"),
        ("Winter deck", "Two columns"),
        ("Winter deck", "Code and link"),
    ]
    assert (deck.title, deck.author) == ("Winter deck", "Ada Moss")


def test_a_slide_without_a_title_is_named_by_its_number():
    reading = read_pptx(pptx(shape("First.", placeholder="title"), shape("No title here.")))
    assert [found.heading_path for found in reading.sections] == [("First.",), ("Slide 2",)]


def test_a_slide_that_shows_only_pictures_says_nothing():
    assert read_pptx(pptx("")).sections == []
    reading = read_pptx(pptx("", shape("Hello")))
    assert reading.text.strip() == "## Slide 2\n\nHello"
    assert reading.places[-1] == (2, Place("slide", 2, 2))


def test_bullets_are_nested_and_numbers_count(deck):
    assert "- Insulate the roof\n  - wool\n  - straw\n    - dry straw only\n- Close the lower board\n" in deck.text
    assert "1. first\n2. second" in deck.text


def test_numbers_of_an_inner_list_start_anew():
    items = (("0", "a"), ("1", "b"), ("1", "c"), ("0", "d"), ("1", "e"))
    lines = "".join(
        f'<a:p><a:pPr lvl="{level}"><a:buAutoNum type="arabicPeriod"/></a:pPr><a:r><a:t>{text}</a:t></a:r></a:p>'
        for level, text in items
    )
    reading = read_pptx(pptx(f"<p:sp><p:txBody>{lines}</p:txBody></p:sp>"))
    assert reading.text.endswith("1. a\n   1. b\n   2. c\n2. d\n   1. e")


def test_tables_and_code_on_slides(deck):
    assert "| Hive | kg |\n| --- | --- |\n| North | 12 |\n| South | 17 |" in deck.text
    assert "```\ndef f():\n    return 1\n```" in deck.text


def test_what_the_speaker_notes_is_marked(deck):
    assert "2. second\n\nNotes:\n\nSay that the wool must stay dry." in deck.text


def test_shapes_are_read_from_top_to_bottom_and_left_to_right():
    text = read_pptx(sample("roof.pptx")).text
    order = ["Where the hives stand", "Left: three", "Right: the", "Grouped above", "Grouped below", "Tell them about"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_the_number_and_the_footer_of_a_slide_are_no_text():
    slide = shape("Title", placeholder="title") + shape("Said.") + shape("17", placeholder="sldNum")
    assert read_pptx(pptx(slide + shape("Moss Ltd", placeholder="ftr"))).text == "## Title\n\nSaid."


def test_a_diagram_gives_its_words():
    frame = (
        '<p:graphicFrame><a:graphic><a:graphicData><d:relIds xmlns:d="d" r:dm="diagramData"/></a:graphicData>'
        "</a:graphic></p:graphicFrame>"
    )
    points = "".join(f"<d:pt><d:t><a:p><a:r><a:t>{w}</a:t></a:r></a:p></d:t></d:pt>" for w in ("Swarm", "Queen"))
    more = {
        "ppt/slides/_rels/0.xml.rels": relations(diagramData="../diagrams/data1.xml"),
        "ppt/diagrams/data1.xml": f'<d:dataModel xmlns:d="d" xmlns:a="{DRAWING}">{points}</d:dataModel>',
    }
    assert "- Swarm\n- Queen" in read_pptx(pptx(frame, **more)).text


def test_a_passage_knows_its_slide(deck, models):
    encoder = OnnxEncoder(models / DEFAULT_EMBEDDING_MODEL)
    places = {chunk.heading_path[-1]: str(chunk.place) for chunk in split("winter.pptx", deck, encoder)}
    assert places["Winter deck"] == "slide 1"
    assert places["Weights"] == "slide 3"


# -- what cannot be read -------------------------------------------------------------------------------------------


def repacked(data, noise):
    """The archive with one member damaged and the checksums right again."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    members = {name: archive.read(name) for name in archive.namelist()}
    victim = noise.choice([name for name in members if members[name]])
    content = members[victim]
    if noise.random() < 0.5:
        values = re.findall(rb'"[^"]*"', content) or [b"x"]
        new = noise.choice([b'""', b'"-1"', b'"99999999999999999999"', b'"x"', noise.choice(values)])
        members[victim] = content.replace(noise.choice(values), new)
    else:
        place = noise.randrange(len(content))
        members[victim] = content[:place] + bytes([noise.randrange(256)]) * noise.randrange(3) + content[place + 1 :]
    return zipped(members)


def damaged(data, noise):
    kind = noise.randrange(3)
    if kind == 0:
        return repacked(data, noise)
    if kind == 1:
        return data[: noise.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(noise.choice((1, 3, 30))):
        changed[noise.randrange(len(changed))] = noise.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize(
    ("name", "reader"), [("year.docx", read_docx), ("winter.docx", read_docx), ("winter.pptx", read_pptx)]
)
def test_damage_of_any_kind_ends_in_a_result_or_a_reason(name, reader):
    data = sample(name)
    noise = random.Random(13)
    read = 0
    for _ in range(450):
        try:
            reader(damaged(data, noise))
            read += 1
        except Unreadable as reason:
            assert str(reason)
    assert read > 50, "not every damage should make a document unreadable"


@pytest.mark.parametrize("reader", [read_docx, read_pptx])
@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"not a zip", zipped({"other.txt": "x"})])
def test_what_is_no_office_file_says_so(reader, data):
    with pytest.raises(Unreadable, match="is damaged"):
        reader(data)


@pytest.mark.parametrize(
    ("stream", "reason"), [("EncryptedPackage", "locked with a password"), ("WordDocument", "old format")]
)
def test_a_locked_file_and_one_of_the_old_format_are_not_called_damaged(stream, reason):
    data = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(500) + stream.encode("utf-16-le") + bytes(500)
    with pytest.raises(Unreadable, match=reason):
        read_docx(data)


def laughs():
    entities = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(12))
    return f'<!DOCTYPE w [<!ENTITY l0 "ha">{entities}]>'


def test_entities_are_not_expanded():
    started = time.monotonic()
    for body in (p("&l12;"), '<w:p w:note="&l12;"/>'):
        try:
            assert len(read_docx(docx(body, before=laughs())).text) < 1000
        except Unreadable as reason:
            assert "not well-formed" in str(reason)
    assert time.monotonic() - started < 10


def test_files_of_this_computer_are_not_read_into_a_document(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    before = f'<!DOCTYPE w [<!ENTITY file SYSTEM "{secret.as_uri()}">]>'
    assert read_docx(docx(p("&file;") + p("end"), before=before)).text == "end"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"word/document.xml": b" " * (60 * 2**20)}, "unpacks to 63 MB: not read"),
        ({str(n): b"\0" * (40 * 2**20) for n in range(26)}, r"unpacks to 1,091 MB: not read"),
        ({str(n): b"" for n in range(20_001)}, "holds 20,001 files"),
    ],
    ids=["one large member", "many members", "very many members"],
)
def test_a_zip_bomb_is_not_unpacked(members, reason):
    with pytest.raises(Unreadable, match=reason):
        read_docx(zipped(members))


def test_a_member_that_declares_less_than_it_holds_yields_no_more():
    body = p("word " * 100_000)
    data = docx(body)
    size = len(zipfile.ZipFile(io.BytesIO(data)).read("word/document.xml"))
    with pytest.raises(Unreadable, match="is damaged"):
        read_docx(data.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little")))


def nested(opening, content, closing, depth):
    return opening * depth + content + closing * depth


@pytest.mark.parametrize(
    "body",
    [
        p("word " * 20) * 20_000,
        p("x" * 5_000_000),
        "<w:p>" + "<w:r><w:t>x </w:t></w:r>" * 100_000 + "</w:p>",
        "<w:p><w:pPr><w:outlineLvl w:val='0'/></w:pPr><w:r><w:t>H</w:t></w:r></w:p>" * 20_000,
        "<w:tbl><w:tr>"
        + f"<w:tc>{p('x')}</w:tc>" * 3000
        + "</w:tr>"
        + f"<w:tr><w:tc>{p('y')}</w:tc></w:tr>" * 3000
        + "</w:tbl>",
        "<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val='999999999'/></w:tcPr></w:tc><w:tc/></w:tr></w:tbl>",
        nested("<w:tbl><w:tr><w:tc>", p("deep"), "</w:tc></w:tr></w:tbl>", 80),
        nested("<w:p><w:r><w:txbxContent>", p("deep"), "</w:txbxContent></w:r></w:p>", 80),
        "<w:p>" + nested("<w:oMath><w:d>", "<w:t>x</w:t>", "</w:d></w:oMath>", 120) + "</w:p>",
        nested("<w:sdt>", p("deep"), "</w:sdt>", 100_000),
    ],
    ids="paragraphs line runs headings ragged span tables boxes formula depth".split(),
)
def test_hostile_documents_are_read_in_bounded_time(body):
    started = time.monotonic()
    try:
        read_docx(docx(body))
    except Unreadable as reason:
        assert str(reason)
    assert time.monotonic() - started < 60
