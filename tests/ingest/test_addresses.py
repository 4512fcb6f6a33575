import random

import pytest

from ingest.addresses import Refused, key_of, parse, where_to_fetch


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("http://example.org", "example.org", 80, "/"),
        ("HTTPS://Example.ORG./a?b=c#d", "example.org", 443, "/a?b=c"),
        ("http://example.org:8080?q", "example.org", 8080, "/?q"),
        ("http://example.org:/", "example.org", 80, "/"),
        ("http://[2001:DB8:0::1]:81/", "2001:db8::1", 81, "/"),
        ("https://fa.wikipedia.org/wiki/ایران", "fa.wikipedia.org", 443, "/wiki/%D8%A7%DB%8C%D8%B1%D8%A7%D9%86"),
        ("http://bücher.example/straße", "xn--bcher-kva.example", 80, "/stra%C3%9Fe"),
        ("http://１２７.0.0.1/", "127.0.0.1", 80, "/"),
        ("http://example.org/a/./b/../../c/..", "example.org", 80, "/"),
        ("http://example.org/%2E%2e/a/.", "example.org", 80, "/a/"),
        ('http://example.org/a"<b>{}%20', "example.org", 80, "/a%22%3Cb%3E%7B%7D%20"),
        ("http://example.org//a//b/", "example.org", 80, "//a//b/"),
        ("  http://example.org/a \n", "example.org", 80, "/a"),
        ("http://example.org/a b?c d", "example.org", 80, "/a%20b?c%20d"),
        ("http://example.org/@user:x?mail=a@b", "example.org", 80, "/@user:x?mail=a@b"),
    ],
)
def test_an_address_is_what_is_connected_to_and_sent(url, host, port, target):
    address = parse(url)
    assert (address.host, address.port, address.target) == (host, port, target)
    assert parse(str(address)) == address


def test_an_address_is_written_the_normal_way():
    assert str(parse("HTTP://[::1]:8000/a#b")) == "http://[::1]:8000/a"
    assert str(parse("https://Example.org:443")) == "https://example.org/"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/",
        "gopher://example.org/",
        "javascript:alert(1)",
        "data:text/html,x",
        "mailto:a@example.org",
        "example.org/a",
        "//example.org/a",
        "[[note]]",
        "",
    ],
)
def test_only_http_and_https_are_fetched(url):
    with pytest.raises(Refused, match="only http and https addresses are fetched"):
        parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://a@127.0.0.1/",
        "http://user:word@example.org/",
        "http://good\\@127.0.0.1/",
        "http://example.org\\.evil/",
        "http://exa mple.org/",
        "http://example.org @127.0.0.1/",
        "http://example.org :80/",
        "http://example.org/a\tb",
        "http://example.org/a\nHost: b",
        "http://example.org/\x00",
        "http://example.org/\x85",
        "http://example.org/\u2028",
        "http://example.org/\ud800",
        "http://",
        "http:///a",
        "http:/example.org",
        "http:example.org",
        "http://?q",
        "http://:80/",
        "http://example.org:0/",
        "http://example.org:65536/",
        "http://example.org:999999/",
        "http://example.org:-1/",
        "http://example.org:8x/",
        "http://example.org:١/",
        "http://a:b:c/",
        "http://[::1/",
        "http://::1/",
        "http://[::1]x/",
        "http://[fe80::1%25eth0]/",
        "http://[v1.x]/",
        "http://exam%70le.org/",
        "http://a..b/",
        "http://.example.org/",
        "http://./",
        "http://" + "a" * 64 + ".org/",
        "http://" + "a." * 150 + "org/",
        "http://" + "ü" * 300 + ".org/",
        "http://\u200d.org/",
        "http://example.org/" + "a" * 8000,
    ],
)
def test_what_two_parsers_might_read_in_two_ways_is_refused(url):
    with pytest.raises(Refused):
        parse(url)


def test_any_text_is_an_address_or_refused():
    chance = random.Random(5)
    alphabet = "ah:/?#[]@%2e.\\ \t\0üی\u200cx0-_&=;'\"\ud800１。"
    for _ in range(20_000):
        url = "http://" + "".join(chance.choices(alphabet, k=chance.randint(0, 14)))
        try:
            address = parse(url)
        except Refused:
            continue
        assert parse(str(address)) == address
        assert (address.host + address.target).isascii()
        assert key_of(str(address)) == key_of(url.split("#")[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://example.org/a", "https://example.org/a"),
        ("http://Example.ORG./a/", "http://example.org/a"),
        ("http://example.org:80/a", "https://example.org:443/a"),
        ("http://example.org", "http://example.org/"),
        ("http://example.org/?", "http://example.org/#top"),
        ("http://example.org/a#one", "http://example.org/a#two"),
        ("http://example.org/%7euser/%41", "http://example.org/~user/A"),
        ("http://example.org/%c3%a4", "http://example.org/ä"),
        ("https://fa.wikipedia.org/wiki/ایران", "https://fa.wikipedia.org/wiki/%d8%a7%db%8c%d8%b1%d8%a7%d9%86"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://example.org/?utm_source=x&a=1&fbclid=2", "http://example.org/?a=1"),
        ("http://example.org/?gclid=1&UTM_Medium&mc_cid=2&mc_eid=3&igshid=4&ref_src=5", "http://example.org/"),
        ("http://example.org/#!%7Ea", "http://example.org/#!~a"),
    ],
)
def test_two_links_to_one_page_are_one(one, other):
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://www.example.org/", "http://example.org/"),
        ("http://example.org:8080/", "http://example.org/"),
        ("http://example.org/a", "http://example.org/A"),
        ("http://example.org/?a=1&b=2", "http://example.org/?b=2&a=1"),
        ("http://example.org/?ref=1", "http://example.org/"),
        ("http://example.org/#!a", "http://example.org/#!b"),
        ("http://example.org/a%2Fb", "http://example.org/a/b"),
        ("http://example.org/?a=%26", "http://example.org/?a=&"),
    ],
)
def test_links_to_two_pages_are_two(one, other):
    assert key_of(one) != key_of(other)


def test_what_is_no_web_address_has_no_key():
    assert key_of(" mailto:a@example.org ") == ""


READMES = ("README.md", "README.rst", "readme.md", "README")


@pytest.mark.parametrize(
    ("url", "better"),
    [
        ("https://arxiv.org/abs/2005.11401", ["https://arxiv.org/pdf/2005.11401"]),
        ("http://www.arxiv.org/abs/2005.11401v4/", ["http://arxiv.org/pdf/2005.11401v4"]),
        ("https://export.arxiv.org/abs/hep-th/9901001?x=y", ["https://arxiv.org/pdf/hep-th/9901001"]),
        ("http://arxiv.org:8000/abs/math.GT/0309136", ["http://arxiv.org:8000/pdf/math.GT/0309136"]),
        (
            "https://github.com/o/r/blob/main/docs/a b.md".replace(" ", "%20"),
            ["https://raw.githubusercontent.com/o/r/main/docs/a%20b.md"],
        ),
        ("https://github.com/o/r/blob/main/a.ipynb#x", ["https://raw.githubusercontent.com/o/r/main/a.ipynb"]),
        ("https://nbviewer.org/github/o/r/blob/main/a.ipynb", ["https://raw.githubusercontent.com/o/r/main/a.ipynb"]),
        (
            "https://colab.research.google.com/github/o/r/blob/main/a.ipynb",
            ["https://raw.githubusercontent.com/o/r/main/a.ipynb"],
        ),
        (
            "https://gist.github.com/user/0123456789abcdef0123",
            ["https://gist.github.com/user/0123456789abcdef0123/raw"],
        ),
        (
            "https://github.com/o/r/tree/v1.0",
            [f"https://raw.githubusercontent.com/o/r/v1.0/{name}" for name in READMES],
        ),
    ],
)
def test_the_content_of_a_link_is_looked_for_where_it_is_plain(url, better):
    assert where_to_fetch(url) == [*better, url]


@pytest.mark.parametrize("tail", ["", "/", ".git", "#readme", "?tab=readme-ov-file"])
def test_a_repository_is_its_readme(tail):
    url = f"http://github.com:8000/some-owner/some.repo{tail}"
    readmes = [f"http://raw.githubusercontent.com:8000/some-owner/some.repo/HEAD/{name}" for name in READMES]
    assert where_to_fetch(url) == [*readmes, url]


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/topics/rag",
        "https://github.com/sponsors/someone",
        "https://github.com/orgs/some/repositories",
        "https://github.com/marketplace/some",
        "https://github.com/some-owner",
        "https://github.com/o/r/issues/1",
        "https://github.com/",
        "https://notgithub.com/o/r",
        "https://arxiv.org/list/cs.CL/recent",
        "https://arxiv.org/abs/",
        "https://en.m.wikipedia.org/wiki/Notes",
        "https://example.org/github/o/r/blob/main/a.ipynb",
        "not an address",
    ],
)
def test_any_other_link_is_fetched_itself(url):
    assert where_to_fetch(url) == [url]
