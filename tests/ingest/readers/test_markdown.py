import time

import pytest

from ingest.readers.markdown import read_markdown


def links(text):
    return [(line + 1, link.text, link.url) for line, link in read_markdown(text).links]


def test_addresses_in_the_text_of_html_are_links():
    text = "<div>\nsee http://a.example/x?y=1&amp;z=2<br>\n<b>www.b.example</b>\n</div>\n"
    assert links(text) == [
        (2, "http://a.example/x?y=1&z=2", "http://a.example/x?y=1&z=2"),
        (3, "www.b.example", "http://www.b.example"),
    ]


@pytest.mark.parametrize(
    "html",
    [
        *("<!-- {} -->", "<!-- <a href={}>x</a> -->", "words <!-- <a href='{}'>x</a> --> words", "<!-- {}"),
        *("<div><img src={}></div>", "<script>\nopen('{}')\n</script>", "<div><code>{}</code></div>", "<pre>{}</pre>"),
    ],
)
def test_comments_code_and_what_a_page_loads_are_no_links(html):
    assert links(html.format("http://a.example")) == []


def test_a_link_in_html_that_shows_its_address_is_one():
    url = "http://a.example"
    assert links(f"<div>\n<a href='{url}'>\n<b>{url}</b></a></div>") == [(2, url, url)]


def test_hostile_html_is_read_in_bounded_time():
    started = time.monotonic()
    assert links("<div>\n" + "<a " * 200_000) == []
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("front", "urls"),
    [
        ("source: https://a.example/Inc.", ["https://a.example/Inc."]),
        ("source: the shelf\nurl: HTTPS://A.example", ["HTTPS://A.example"]),
        ("url: https://a.example\nsource: https://a.example", ["https://a.example"]),
        ("link: www.a.example", ["http://www.a.example"]),
        ("links: [https://a.example, https://b.example, 7, see]", ["https://a.example", "https://b.example"]),
        ("links:\n  - https://a.example\n  -\n  - [x]", ["https://a.example"]),
        ("image: https://a.example/x.png\nlinks: {a: b}", []),
    ],
)
def test_front_matter_holds_links(front, urls):
    assert [url for _, _, url in links(f"---\n{front}\n---\ntext\n")] == urls


@pytest.mark.parametrize(
    ("written", "published"),
    [
        *((day, "2024-05-03") for day in ("May 3, 2024", "3 May 2024", "03.05.2024", "20240503", "2024/5/3")),
        *((day, "2024-05-03") for day in ("2024-5-3 10:00", "2024-05-03T10:00:00Z", "'2024-05-03'")),
        *((other, other) for other in ("1987-05-01", "2024-12", "2024", "01/05/2024", "2024-02-30", "last May")),
    ],
)
def test_the_day_in_front_matter_is_read_however_it_is_written(written, published):
    assert read_markdown(f"---\ndate: {written}\n---\ntext\n").published == published


@pytest.mark.parametrize(
    "written", ["2024-05-03T10:00:00Z", "2024-05-03 10:00:00", "2024-05-03", "20240503", "'2024-05-03'"]
)
def test_the_day_in_front_matter_of_toml_is_read(written):
    assert read_markdown(f"+++\ndate = {written}\n+++\ntext\n").published == "2024-05-03"


@pytest.mark.parametrize("written", ["published: 2024-05-03\ncreated: 2025-01-02", "published:\ncreated: 2024-05-03"])
def test_the_days_that_web_clippers_write_count_too(written):
    assert read_markdown(f"---\n{written}\n---\ntext\n").published == "2024-05-03"


@pytest.mark.parametrize("text", ["# Heading\nwords\n", "\nwords\n# Heading\n", ""])
@pytest.mark.parametrize("title", ["", "A clipped page"])
def test_the_first_section_carries_the_address_of_the_note(text, title):
    url = "https://a.example/b"
    reading = read_markdown(f"---\ntitle: {title}\nsource: {url}\n---\n{text}")
    assert [(line, link.url) for line, link in reading.links] == [(reading.sections[0].first_line, url)]
    assert reading.text.endswith(text or title or url)


@pytest.mark.parametrize("line", ["[//]: # (see http://a.example)", "[//]: <> (words)", '[comment]: # "words"'])
def test_a_comment_is_no_link(line):
    assert links(f"text\n\n{line}\n\n[a]: https://used.example\n") == [(5, "a", "https://used.example")]


@pytest.mark.parametrize(
    ("written", "link"),
    [
        ("[[https://a.example/b]]", ("https://a.example/b", "https://a.example/b")),
        ("[[https://a.example|words]]", ("words", "https://a.example")),
        ("[[Some note|words]]", ("words", "[[Some note]]")),
    ],
)
def test_an_address_in_double_brackets_is_one_link(written, link):
    assert links(f"see {written}.") == [(1, *link)]


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("{}", "https://docs.example/3/library/__future__.html"),
        ("see {}, too", "https://git.example/blob/main/pkg/__init__.py"),
        ("_see {}_", "https://git.example/pkg/__init__.py#_x_y"),
        ("**{}**", "https://docs.example/_static/_a.js"),
    ],
)
def test_an_address_with_underscores_is_kept_whole(written, url):
    assert links(f"words\n{written.format(url)} and more") == [(2, url, url)]


def test_links_in_a_footnote_stand_where_it_is_written():
    text = "Text^[see https://a.example and\n[words](https://b.example) #tag] goes\non at https://c.example"
    assert links(text) == [
        (1, "https://a.example", "https://a.example"),
        (2, "words", "https://b.example"),
        (3, "https://c.example", "https://c.example"),
    ]
    assert read_markdown(text).tags == [(1, "tag")]
