import pytest

from ingest.reading import bare_links


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see www.site.example/x.", {"www.site.example/x": "http://www.site.example/x"}),
        ("见www.site.example，", {"www.site.example": "http://www.site.example"}),
        ("HTTP://UPPER.example/x", {"HTTP://UPPER.example/x": "HTTP://UPPER.example/x"}),
        ("Http://www.both.example", {"Http://www.both.example": "Http://www.both.example"}),
    ],
)
def test_an_address_needs_no_scheme_behind_www_and_no_small_letters(text, links):
    assert {link.text: link.url for _, link in bare_links(text)} == links


@pytest.mark.parametrize(
    "text",
    ["https://...", "begins with http:// or", "https://*.a.example", "x@www.a.example", "/var/www.a.example", "www.a"],
)
def test_what_looks_like_an_address_and_is_none(text):
    assert bare_links(text) == []


@pytest.mark.parametrize(
    "text",
    [
        *("~~{}~~", "**{}**", "({}).", "[{}]", r"\url{{{}}}", "“{}”", "«{}»", "{}…"),
        *("{}，再", "{}。", "「{}」と", "（{}）", "《{}》", "{}、{}", "{}；", "{}\u200b", "\u2067{}\u2069", "{}،"),
    ],
)
@pytest.mark.parametrize(
    "address",
    [
        *("http://a.example/b", "http://a.example/b_(c)", "http://a.example/~b/[1]", "http://中文.example/路径/页"),
        *(
            "http://a.example/مقاله_نمونه",
            "http://a.example/می\u200cروم",
            "http://a.example/Статья",
            "http://a.example/ア・イ",
        ),
    ],
)
def test_an_address_ends_where_its_sentence_does_whatever_the_script(text, address):
    assert {link.url for _, link in bare_links(text.format(address, address))} == {address}
