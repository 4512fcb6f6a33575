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
