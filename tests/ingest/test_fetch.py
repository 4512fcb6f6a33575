import email.utils
import gzip
import ipaddress
import random
import re
import socket
import threading
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ingest.fetch import Cancelled, Fetcher, FetchFailed, Limits, NotModified
from ingest.guard import is_public
from tests.web import (
    SlowPage,
    WebServer,
    conditional,
    head,
    in_turn,
    page,
    raw,
    redirect,
    robots,
    self_signed,
    silence,
    trickle,
)

HERE = frozenset({"127.0.0.1"})
QUICK = Limits(
    connect=5, read=1, total=2, body=2**20, spacing=0, pauses=(0.01, 0.02), longest_wait=2, longest_crawl_delay=0.4
)
PUBLIC = "93.184.216.34"


@pytest.fixture
def serve():
    """Starts a server with these routes."""
    servers = []

    def start(routes, **options):
        servers.append(WebServer(routes, **options).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()


def fetch(url, limits=QUICK, allow=HERE, **options):
    with Fetcher(allow, limits=limits) as fetcher:
        return fetcher.fetch(url, **options)


def failure(url, limits=QUICK, allow=HERE, **options):
    """State and reason of a fetch that has to fail."""
    with pytest.raises(FetchFailed) as caught:
        fetch(url, limits, allow, **options)
    return caught.value.state, caught.value.reason


class Internet:
    """Made-up names and their IP addresses. Whichever is connected to is noted, and `server` answers in its place."""

    def __init__(self, server, **names):
        self.server = server
        self.names = {name.replace("_", "."): answers for name, answers in names.items()}
        self.connected = []

    def resolve(self, host, port, type):
        if host not in self.names:
            return socket.getaddrinfo(host, port, type=type, flags=socket.AI_NUMERICHOST)
        answers = self.names[host]
        if isinstance(answers[0], list):  # another answer each time
            answers = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, type, 6, "", (ip, port)) for ip in answers]

    def connect(self, address, timeout):
        self.connected.append(address[0])
        return socket.create_connection(("127.0.0.1", self.server.port), timeout)

    def fetcher(self, allow=frozenset(), limits=QUICK):
        return Fetcher(allow, limits=limits, resolve=self.resolve, connect=self.connect)

    def fetch(self, url, **options):
        with self.fetcher(**options) as fetcher:
            return fetcher.fetch(url)

    def failure(self, url, **options):
        with pytest.raises(FetchFailed) as caught:
            self.fetch(url, **options)
        return caught.value.state


# -- a page --------------------------------------------------------------------------------------------------------


def test_a_page_comes_as_it_was_sent(serve):
    server = serve({"/a?b=%C3%A4": page("<p>ü</p>", "Text/HTML; Charset=UTF-8", 200, "ETag: x", "Last-Modified: y")})
    response = fetch(server.url("/a?b=ä#c"))
    assert (response.status, response.body, response.content_type, response.charset) == (
        200,
        "<p>ü</p>".encode(),
        "text/html",
        "utf-8",
    )
    assert (response.url, response.final_url) == (server.url("/a?b=ä#c"), server.url("/a?b=%C3%A4"))
    assert (response.etag, response.last_modified) == ("x", "y")
    assert ("Content-Type", "Text/HTML; Charset=UTF-8") in response.headers
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", response.fetched_at)


def test_the_fetcher_says_who_it_is_and_nothing_else_about_the_person(serve, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server = serve(
        {"/": page("", "text/html", 302, "Location: /b", "Set-Cookie: id=1; Path=/"), "/b": page("here", "text/html")}
    )
    fetch(server.url())
    for request in server.requests:
        assert set(request.headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}
        assert request.headers["user-agent"].startswith("askmynotes/")
        assert request.headers["accept-encoding"] == "gzip, deflate"


def test_the_user_agent_is_the_callers(serve):
    server = serve({"/": page("a")})
    with Fetcher(HERE, "somebody/1.0", QUICK) as fetcher:
        fetcher.fetch(server.url())
    assert server.requests[0].headers["user-agent"] == "somebody/1.0"


def test_a_page_that_has_not_changed_is_not_sent_again(serve):
    server = serve({"/a": redirect("/b"), "/b": conditional('"1"', "text")})
    first = fetch(server.url("/a"))
    again = fetch(server.url("/a"), etag=first.etag, last_modified="Mon, 02 Jan 2023 03:04:05 GMT")
    assert first.body == b"text"
    assert again == NotModified(server.url("/a"), server.url("/b"))
    assert server.requests[-1].headers["if-modified-since"] == "Mon, 02 Jan 2023 03:04:05 GMT"
    assert fetch(server.url("/a"), etag='"2"').body == b"text"


def test_an_unasked_304_is_no_page(serve):
    assert failure(serve({"/": raw(head(304))}).url())[0] == "refused"


@pytest.mark.parametrize(
    "answer",
    [
        head(200, "Content-Type: text/plain", version="1.0") + b"old, with no length",
        head(200, "Transfer-Encoding: chunked") + b"4\r\nold,\r\nf;x=y\r\n with no length\r\n0\r\n\r\n",
        head(200, "content-length: 19", "Content-Length: 19") + b"old, with no length",
        b"HTTP/1.1 200\nContent-Type: text/plain\n\nold, with no length",
        head(103, "Link: <a>") + head(200, "Content-Length: 19") + b"old, with no length",
    ],
)
def test_every_way_of_sending_a_page_is_understood(serve, answer):
    assert fetch(serve({"/": raw(answer)}).url()).body == b"old, with no length"


@pytest.mark.parametrize(
    ("declared", "charset"),
    [
        ("text/html", None),
        ("text/html; charset=windows-1256", "windows-1256"),
        ("text/html;charset='ISO-8859-1'", "iso-8859-1"),
        ('text/html; x=y; CHARSET = "utf-8" ; z', "utf-8"),
    ],
)
def test_the_charset_is_read_from_the_header(serve, declared, charset):
    assert fetch(serve({"/": page("a", declared)}).url()).charset == charset


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (404, "gone"),
        (410, "gone"),
        (401, "refused"),
        (402, "paywalled"),
        (403, "refused"),
        (407, "refused"),
        (451, "refused"),
        (418, "refused"),
        (202, "refused"),
        (206, "refused"),
        (299, "refused"),
        (304, "refused"),
        (302, "refused"),
        (599, "refused"),
    ],
)
def test_a_status_is_told_as_a_state_with_its_number(serve, status, state):
    server = serve({"/": page("", "text/html", status)})
    found, reason = failure(server.url())
    assert found == state
    assert str(status) in reason


# -- the guard -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "169.254.169.254",
        "[::ffff:a9fe:a9fe]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "LocalHost.",
        "１２７.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "[fe80::1]",
        "[fd00::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "[64:ff9b::10.0.0.1]",
        "[64:ff9b:1::8.8.8.8]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
    ],
)
def test_private_addresses_are_refused_however_they_are_written(serve, host):
    server = serve({"/": page("secret")})
    internet = Internet(server)
    with pytest.raises(FetchFailed) as caught, Fetcher(limits=QUICK, connect=internet.connect) as fetcher:
        fetcher.fetch(server.url(host=host))
    assert caught.value.state == "private address"
    assert "--allow-private-host" in caught.value.reason
    assert internet.connected == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "http://a@127.0.0.1:{port}/",
        "http://good\\@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}\\@good/",
    ],
)
def test_addresses_that_are_not_fetched_lead_nowhere(serve, url):
    server = serve({"/": page("secret")})
    assert failure(url.format(port=server.port))[0] == "refused"
    assert server.connections == 0


@pytest.mark.parametrize("ip", ["8.8.8.8", "1.1.1.1", PUBLIC, "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_public(ip):
    assert is_public(ip)


def test_nothing_that_the_standard_library_knows_as_private_is_public():
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"):
        block = ipaddress.ip_network(network)
        assert not is_public(str(block[0]))
        assert not is_public(str(block[-1]))
    assert not is_public("fe80::1%eth0")
    assert not is_public("0x7f.1"), "what is no address is not taken for a public one"


def test_a_public_name_is_connected_to_at_the_address_that_was_checked(serve):
    internet = Internet(serve({"/": page("public")}), public_example=[PUBLIC])
    assert internet.fetch("http://public.example/").body == b"public"
    assert set(internet.connected) == {PUBLIC}
    assert internet.server.requests[0].headers["host"] == "public.example"


def test_a_name_that_leads_to_a_private_address_is_refused(serve):
    internet = Internet(serve({"/": page("secret")}), inside_example=["127.0.0.1"])
    assert internet.failure("http://inside.example/") == "private address"
    assert internet.connected == []


def test_one_private_answer_among_several_is_enough(serve):
    internet = Internet(serve({"/": page("secret")}), both_example=[PUBLIC, "10.1.2.3"])
    assert internet.failure("http://both.example/") == "private address"
    assert internet.connected == []


def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_checked(serve):
    """Each connection looks up once: the answer after the check, private here, is never used."""
    internet = Internet(serve({"/": page("public")}), flip_example=[[PUBLIC], [PUBLIC], ["127.0.0.1"]])
    assert internet.fetch("http://flip.example/").body == b"public"
    assert internet.connected == [PUBLIC, PUBLIC], "robots.txt and the page"


def test_a_name_that_turns_private_between_two_connections_is_refused(serve):
    internet = Internet(serve({"/": page("secret")}), flip_example=[[PUBLIC], ["127.0.0.1"]])
    assert internet.failure("http://flip.example/") == "private address"
    assert internet.connected == [PUBLIC]


@pytest.mark.parametrize("target", ["http://127.0.0.1:{port}/secret", "http://inside.example/", "//[::1]/", "//0/"])
def test_a_public_page_cannot_redirect_to_a_private_one(serve, target):
    server = serve({})
    server.routes["/"] = redirect(target.format(port=server.port))
    internet = Internet(server, public_example=[PUBLIC], inside_example=["192.168.0.7"])
    assert internet.failure("http://public.example/") == "private address"
    assert set(internet.connected) == {PUBLIC}
    assert server.paths == ["/"]


def test_a_page_cannot_send_its_readers_to_a_private_one(serve):
    server = serve({"/": page("<p>")})
    internet = Internet(server, public_example=[PUBLIC])
    with pytest.raises(FetchFailed, match="private address"), internet.fetcher() as fetcher:
        fetcher.fetch("http://public.example/", refresh=lambda body: server.url("/secret"))
    assert set(internet.connected) == {PUBLIC}


def test_robots_txt_cannot_redirect_to_a_private_address(serve):
    server = serve({"/": page("a")})
    server.routes["/robots.txt"] = redirect(server.url("/secret"))
    internet = Internet(server, public_example=[PUBLIC])
    assert internet.failure("http://public.example/") == "private address"
    assert (set(internet.connected), server.paths) == ({PUBLIC}, [])


def test_a_second_address_is_tried_where_the_first_does_not_answer(serve):
    internet = Internet(serve({"/": page("public")}), public_example=[PUBLIC, "8.8.8.8"])

    def connect(address, timeout):
        if address[0] == PUBLIC:
            raise OSError(101, "Network is unreachable")
        return internet.connect(address, timeout)

    with Fetcher(limits=QUICK, resolve=internet.resolve, connect=connect) as fetcher:
        assert fetcher.fetch("http://public.example/").body == b"public"


@pytest.mark.parametrize("allow", ["127.0.0.1", "127.0.0.1:{port}"])
def test_a_private_host_is_fetched_where_it_was_named(serve, allow):
    server = serve({"/": page("mine")})
    assert fetch(server.url(), allow=frozenset({allow.format(port=server.port)})).body == b"mine"


@pytest.mark.parametrize("allow", ["127.0.0.1:1", "localhost", "10.0.0.1", "127.0.0.2"])
def test_naming_one_private_host_allows_no_other(serve, allow):
    server = serve({"/": page("secret")})
    assert failure(server.url(), allow=frozenset({allow}))[0] == "private address"
    assert server.connections == 0


def test_localhost_is_one_host_however_it_is_written(serve):
    server = serve({"/": page("mine")})
    assert fetch(server.url(host="LOCALHOST."), allow=frozenset({"LocalHost"})).body == b"mine"


def test_a_host_that_nobody_knows_is_named():
    def resolve(host, port, type):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    state, reason = failure_with(resolve=resolve)
    assert (state, reason) == ("refused", "the host nobody.example is not known")


def test_a_network_that_is_down_is_suspected():
    def resolve(host, port, type):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    assert failure_with(resolve=resolve)[1].endswith("is the network up?")


def test_a_name_server_that_does_not_answer_is_not_waited_for():
    limits = replace(QUICK, connect=0.3)
    state, reason = failure_with(resolve=lambda *ignored, type: time.sleep(30), limits=limits)
    assert (state, reason) == ("timed out", "the host nobody.example did not answer within 0.3 seconds")


def failure_with(limits=QUICK, **options):
    with pytest.raises(FetchFailed) as caught, Fetcher(limits=limits, **options) as fetcher:
        fetcher.fetch("http://nobody.example/")
    return caught.value.state, caught.value.reason


def test_a_port_where_nobody_listens_refuses():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert failure(f"http://127.0.0.1:{port}/") == ("refused", "the host 127.0.0.1 refuses connections")


# -- encryption ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("tls"), "notes.example")


def test_a_certificate_that_nobody_vouches_for_is_refused(serve, certificate):
    internet = Internet(serve({"/": page("a")}, certificate=certificate), notes_example=[PUBLIC])
    with pytest.raises(FetchFailed) as caught:
        internet.fetch("https://notes.example/")
    assert caught.value.state == "refused"
    assert caught.value.reason.startswith("the certificate of notes.example cannot be trusted: self")
    assert internet.server.requests == []


def test_the_certificate_has_to_be_the_hosts_though_an_ip_address_is_connected_to(serve, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    server = serve({"/": page("secure")}, certificate=certificate)
    internet = Internet(server, notes_example=[PUBLIC], other_example=[PUBLIC])
    assert internet.fetch("https://notes.example/").body == b"secure"
    with pytest.raises(FetchFailed, match="certificate of other.example cannot be trusted: .*not valid for"):
        internet.fetch("https://other.example/")


def test_a_server_without_encryption_is_told(serve):
    server = serve({"/": page("a")})
    assert failure(server.url().replace("http:", "https:")) == (
        "refused",
        "no secure connection to 127.0.0.1 could be made",
    )


def test_encrypted_pages_may_lead_to_plain_ones(serve, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    plain = serve({"/": page("plain")})
    secure = serve({"/": redirect(plain.url())}, certificate=certificate)
    internet = Internet(secure, notes_example=["127.0.0.1"])
    allow = frozenset({"notes.example", "127.0.0.1"})

    def connect(address, timeout):
        return socket.create_connection(("127.0.0.1", secure.port if address[1] == 443 else address[1]), timeout)

    with Fetcher(allow, limits=QUICK, resolve=internet.resolve, connect=connect) as fetcher:
        assert fetcher.fetch("https://notes.example/").final_url == plain.url()


# -- redirects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(serve, status):
    server = serve({"/a": redirect("/b", status), "/b": page("there")})
    response = fetch(server.url("/a"))
    assert (response.body, response.url, response.final_url) == (b"there", server.url("/a"), server.url("/b"))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("next", "/a/next"),
        ("../next?x=1#y", "/next?x=1"),
        ("?q=2", "/a/b?q=2"),
        ("//127.0.0.1:{port}/x", "/x"),
        ("/with blank", "/with%20blank"),
        ("/ü".encode().decode("latin-1"), "/%C3%BC"),
        ("/\xfc", "/%C3%BC"),
    ],
)
def test_relative_targets_are_joined_as_browsers_do(serve, target, path):
    server = serve({path: page("there")})
    server.routes["/a/b"] = raw(head(302, f"Location: {target.format(port=server.port)}", "Content-Length: 0"))
    assert fetch(server.url("/a/b")).final_url == server.url(path)


def test_thirty_redirects_are_too_many(serve):
    server = serve({f"/{n}": redirect(f"/{n + 1}") for n in range(30)})
    assert failure(server.url("/0")) == ("refused", "more than 10 redirects")
    assert len(server.requests) == 11


def test_ten_redirects_are_not(serve):
    server = serve({f"/{n}": redirect(f"/{n + 1}") for n in range(10)} | {"/10": page("end")})
    assert fetch(server.url("/0")).body == b"end"


def test_a_redirect_loop_ends(serve):
    server = serve({"/a": redirect("/b"), "/b": redirect("/a")})
    assert failure(server.url("/a"))[0] == "refused"


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/", "javascript:alert(1)", "http://a@127.0.0.1/", "http://[", "//"]
)
def test_redirects_to_what_is_not_fetched_are_refused(serve, target):
    assert failure(serve({"/": redirect(target)}).url())[0] == "refused"


def refresh(body):
    found = re.search(rb"url=([^\"]+)", body)
    return found and found.group(1).decode()


def test_a_page_that_sends_its_readers_on_is_followed(serve):
    server = serve({"/a/": page('<meta http-equiv="refresh" content="0; url=b">'), "/a/b": page("there")})
    response = fetch(server.url("/a/"), refresh=refresh)
    assert (response.body, response.final_url) == (b"there", server.url("/a/b"))
    assert b"refresh" in fetch(server.url("/a/")).body, "unasked it is not"


def test_sending_readers_on_counts_as_a_redirect(serve):
    server = serve({f"/{n}": page(f'<meta content="0; url=/{n + 1}">') for n in range(30)})
    assert failure(server.url("/0"), refresh=refresh) == ("refused", "more than 10 redirects")


def test_a_page_that_reloads_itself_is_the_page(serve):
    server = serve({"/": page('<meta content="0; url=/#top">')})
    assert b"meta" in fetch(server.url(), refresh=refresh).body
    assert len(server.requests) == 1


def test_only_web_pages_send_their_readers_on(serve):
    server = serve({"/": page("url=/b", "text/plain")})
    assert fetch(server.url(), refresh=refresh).body == b"url=/b"


# -- limits --------------------------------------------------------------------------------------------------------


def test_a_ten_gigabyte_page_is_refused_before_it_is_read(serve):
    server = serve({"/": trickle(head(200, "Content-Type: text/html", f"Content-Length: {10 * 2**30}"), b"a", 0.1)})
    assert failure(server.url()) == ("too large", "the page is larger than 1 MB")


@pytest.mark.parametrize("chunked", [False, True])
def test_an_endless_page_ends_at_the_limit(serve, chunked):
    start = head(200, "Content-Type: text/plain", *(["Transfer-Encoding: chunked"] if chunked else []))
    more = b"10000\r\n" + b"a" * 2**16 + b"\r\n" if chunked else b"a" * 2**16
    assert failure(serve({"/": trickle(start, more, 0)}).url())[0] == "too large"


def test_a_page_as_large_as_the_limit_is_read(serve):
    server = serve({"/": page("a" * 2**20), "/more": page("a" * (2**20 + 1))})
    assert len(fetch(server.url()).body) == 2**20
    assert failure(server.url("/more"))[0] == "too large"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
def test_a_bomb_is_unpacked_no_further_than_the_limit(serve, encoding):
    window = {"gzip": 31, "deflate": 15, "raw deflate": -15}[encoding]
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(300)) + packer.flush()
    assert len(bomb) < 2**20
    server = serve({"/": page(bomb, "text/html", 200, f"Content-Encoding: {encoding.split()[-1]}")})
    tracemalloc.start()
    try:
        assert failure(server.url())[0] == "too large"
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", head(200, "Content-Type: text/html", "Content-Length: 99999")]
)
def test_bytes_that_trickle_without_end_time_out(serve, start):
    server = serve({"/": trickle(start, b"a", 0.1)})
    assert failure(server.url()) == ("timed out", "the page did not arrive within 2 seconds")


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", head(200, "Content-Length: 10") + b"a"])
def test_a_server_that_falls_silent_times_out(serve, start):
    server = serve({"/": trickle(start, b"a", 30)})
    assert failure(server.url()) == ("timed out", "the server sent nothing for 1 seconds")


def test_headers_without_end_are_too_large(serve):
    server = serve({"/": trickle(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"a" * 5000 + b"\r\n", 0)})
    assert failure(server.url())[0] == "too large"


def test_a_flood_of_interim_answers_times_out(serve):
    server = serve({"/": trickle(b"", head(103, "X: y") * 10, 0.001)})
    assert failure(server.url())[0] == "timed out"


# -- types and compression -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "type",
    ["image/png", "video/mp4", "audio/mpeg", "font/woff2", "application/zip", "application/x-msdownload", "x", "text"],
)
def test_what_cannot_be_text_is_not_read(serve, type):
    server = serve({"/": trickle(head(200, f"Content-Type: {type}"), b"a", 1)})
    assert failure(server.url()) == ("wrong type", f"the link leads to {type}, not to text")


@pytest.mark.parametrize(
    "type",
    [
        "text/html",
        "text/markdown",
        "application/xhtml+xml",
        "application/pdf",
        "application/json",
        "application/x-ipynb+json",
        "application/epub+zip",
    ],
)
def test_what_may_hold_text_is_read(serve, type):
    assert fetch(serve({"/": page(b"\0\xff", type)}).url()).content_type == type


@pytest.mark.parametrize("type", ["", "application/octet-stream"])
@pytest.mark.parametrize(
    "body",
    [
        b"%PDF-1.7\n\xff\x00",
        b"<!DOCTYPE html>\xff",
        b"\n <html>\xff",
        "# فارسی\n".encode() * 500,
        b"\xff\xfea\0",
        b"",
        b"plain",
    ],
)
def test_where_the_type_tells_nothing_the_start_of_the_page_does(serve, type, body):
    response = fetch(serve({"/": page(body, type)}).url())
    assert (response.body, response.content_type) == (body, type)


@pytest.mark.parametrize("type", ["", "application/octet-stream"])
@pytest.mark.parametrize("body", [b"\x89PNG\r\n\x1a\n\0\0", b"PK\x03\x04\0", b"\x7fELF\2", b"\0", b"caf\xe9 x"])
def test_where_the_type_tells_nothing_other_data_is_refused(serve, type, body):
    assert failure(serve({"/": page(body, type)}).url())[0] == "wrong type"


def test_unknown_data_is_refused_at_its_start(serve):
    start = head(200, "Content-Type: application/octet-stream") + b"\0" * 2000
    assert failure(serve({"/": trickle(start, b"\0", 30)}).url())[0] == "wrong type"


def _raw_deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


TEXT = "Ein Satz über Notizen. ".encode() * 20_000


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("GZIP", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("gzip", gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:])),
        ("gzip", gzip.compress(TEXT) + b"\0\0\0\0"),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", _raw_deflate(TEXT)),
        ("deflate", _raw_deflate(TEXT) + b"\x01\x04\0\xfb\xffjunk"),
        ("identity", TEXT),
        ("", TEXT),
    ],
)
def test_compressed_pages_are_unpacked(serve, encoding, packed):
    server = serve({"/": page(packed, "text/plain", 200, f"Content-Encoding: {encoding}")})
    assert fetch(server.url()).body == TEXT


def test_the_last_bytes_of_a_compressed_page_are_not_left_inside(serve):
    """They may still be on their way out when all that came in is used up."""
    text = b"a" * (2**16 + 1)
    server = serve({"/": page(_raw_deflate(text), "text/plain", 200, "Content-Encoding: deflate")})
    assert fetch(server.url()).body == text


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "deflate, br", "x" * 5000])
def test_other_compression_is_told(serve, encoding):
    server = serve({"/": page(b"abc", "text/html", 200, f"Content-Encoding: {encoding}")})
    state, reason = failure(server.url())
    assert state == "wrong type"
    assert "compressed" in reason


def test_compression_named_twice_is_stacked(serve):
    lines = ("Content-Encoding: gzip", "Content-Encoding: gzip")
    server = serve({"/": page(gzip.compress(gzip.compress(b"a")), "text/html", 200, *lines)})
    assert failure(server.url())[0] == "wrong type"


def test_damaged_compression_is_told(serve):
    server = serve({"/": page(b"not gzip at all", "text/html", 200, "Content-Encoding: gzip")})
    assert failure(server.url()) == ("refused", "the compressed page is damaged")


# -- broken servers ------------------------------------------------------------------------------------------------

CUT = [
    head(200, "Content-Length: 100") + b"only this",
    head(200, "Transfer-Encoding: chunked") + b"ff\r\nonly this",
    head(200, "Content-Encoding: gzip") + gzip.compress(TEXT)[:-20],
]


@pytest.mark.parametrize("answer", CUT)
def test_a_page_that_comes_cut_off_is_refused_after_three_tries(serve, answer):
    server = serve({"/": raw(answer)})
    assert failure(server.url()) == ("refused", "the page came cut off; try again later")
    assert len(server.requests) == 3


@pytest.mark.parametrize("answer", [*CUT, b"", head(500), head(502), head(429), head(503)])
def test_a_server_that_recovers_is_no_failure(serve, answer):
    server = serve({"/": in_turn(raw(answer), raw(answer), page("at last"))})
    assert fetch(server.url()).body == b"at last"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-", "closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not answer as a web server does"),
        (bytes(range(256)) * 8, "does not answer as a web server does"),
        (b"HTTP/1.1 abc\r\n\r\n", "does not answer as a web server does"),
        (head(200, "Content-Length: 1", "Content-Length: 2") + b"ab", "does not answer as a web server does"),
    ],
)
def test_what_is_no_answer_is_refused_after_three_tries(serve, answer, reason):
    server = serve({"/": raw(answer)})
    assert failure(server.url()) == ("refused", f"127.0.0.1 {reason}; try again later")
    assert len(server.requests) == 3


def test_a_server_that_stays_broken_is_refused_with_its_number(serve):
    server = serve({"/": page("", "text/html", 500)})
    assert failure(server.url()) == ("refused", "the server answered 500 (Internal Server Error)")
    assert len(server.requests) == 3


def test_a_page_that_is_gone_is_not_asked_for_again(serve):
    server = serve({})
    assert failure(server.url("/a"))[0] == "gone"
    assert len(server.requests) == 1


def test_any_answer_ends_in_a_page_or_in_a_reason(serve):
    chance = random.Random(5)
    parts = [
        head(200, "Content-Type: text/html", "Content-Length: 5") + b"<p>ok",
        head(200, "Transfer-Encoding: chunked") + b"5\r\n<p>ok\r\n0\r\n\r\n",
        head(200, "Content-Encoding: gzip") + gzip.compress(b"<p>ok"),
        head(302, "Location: //x/"),
        head(503, "Retry-After: 1"),
    ]

    def mangled(request, connection):
        answer = bytearray(chance.choice(parts))
        for _ in range(chance.randint(0, 4)):
            place = chance.randrange(len(answer))
            answer[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        connection.sendall(answer)

    internet = Internet(serve({"/robots.txt": mangled, "/": mangled}))
    ends = set()
    for _ in range(500):
        try:
            internet.fetch("http://127.0.0.1/", allow=HERE, limits=replace(QUICK, pauses=(), longest_wait=0))
            ends.add("a page")
        except FetchFailed as error:
            ends.add(error.state)
    assert {"a page", "refused"} < ends


# -- robots.txt ----------------------------------------------------------------------------------------------------

RULES = "User-agent: *\nDisallow: /private\nAllow: /private/but-this\n\nUser-agent: other\nDisallow: /\n"


def test_what_a_site_asks_robots_not_to_read_is_not_read(serve):
    server = serve({"/robots.txt": robots(RULES), "/private/a": page("secret"), "/private/but-this": page("open")})
    assert failure(server.url("/private/a"))[0] == "blocked by robots"
    assert failure(server.url("/a/../private/a"))[0] == "blocked by robots"
    assert failure(server.url("/%70rivate/a"))[0] == "blocked by robots"
    assert server.requests == []
    assert fetch(server.url("/private/but-this")).body == b"open"


@pytest.mark.parametrize("name", ["askmynotes", "AskMyNotes", "AskMyNotes/1.0 # us"])
def test_rules_for_this_robot_come_before_those_for_all(serve, name):
    text = f"User-agent: *\nDisallow:\n\nUser-agent: someone\nUser-agent: {name}\nDisallow: /a\n"
    server = serve({"/robots.txt": robots(text), "/a": page("a"), "/b": page("b")})
    assert failure(server.url("/a"))[0] == "blocked by robots"
    assert fetch(server.url("/b")).body == b"b"


def test_robots_txt_is_asked_for_once(serve):
    server = serve({"/robots.txt": page(RULES, "text/plain", pause=0.2)} | {f"/{n}": page("a") for n in range(8)})
    with Fetcher(HERE, limits=QUICK) as fetcher, ThreadPoolExecutor(8) as pool:
        assert {r.body for r in pool.map(fetcher.fetch, [server.url(f"/{n}") for n in range(8)])} == {b"a"}
    assert len(server.robots_requests) == 1


def test_robots_txt_holds_for_what_a_redirect_leads_to(serve):
    other = serve({"/robots.txt": robots(RULES), "/private": page("secret")})
    server = serve({"/robots.txt": robots(RULES), "/a": redirect("/private"), "/b": redirect(other.url("/private"))})
    assert failure(server.url("/a"))[0] == "blocked by robots"
    assert failure(server.url("/b"))[0] == "blocked by robots"
    assert (server.paths, other.paths) == (["/a", "/b"], [])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429])
def test_a_site_without_robots_txt_may_be_read(serve, status):
    server = serve({"/robots.txt": page("User-agent: *\nDisallow: /", "text/plain", status), "/": page("a")})
    assert fetch(server.url()).body == b"a"


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_site_whose_robots_txt_fails_is_not_read(serve, status):
    server = serve({"/robots.txt": page("", "text/plain", status), "/": page("a")})
    state, reason = failure(server.url())
    assert (state, server.requests) == ("blocked by robots", [])
    assert "robots.txt" in reason
    assert str(status) in reason


def test_a_robots_txt_that_cannot_be_unpacked_is_told(serve):
    server = serve({"/robots.txt": page("x", "text/plain", 200, "Content-Encoding: br"), "/": page("a")})
    state, reason = failure(server.url())
    assert state == "blocked by robots"
    assert "could not be read" in reason


@pytest.mark.parametrize(
    ("behaviour", "state"), [(silence(30), "timed out"), (raw(b""), "refused"), (raw(b"nonsense\n\n"), "refused")]
)
def test_a_site_that_does_not_answer_for_its_robots_txt_fails_as_a_page_does(serve, behaviour, state):
    server = serve({"/robots.txt": behaviour, "/": page("a")})
    assert failure(server.url())[0] == state
    assert server.requests == []


def test_robots_txt_may_have_moved(serve):
    other = serve({"/rules": robots("User-agent: *\nDisallow: /a")})
    server = serve({"/robots.txt": redirect(other.url("/rules")), "/a": page("a"), "/b": page("b")})
    assert failure(server.url("/a"))[0] == "blocked by robots"
    assert fetch(server.url("/b")).body == b"b"


@pytest.mark.parametrize("junk", ["\ufeffUser-agent: *\r\nDisallow: /a\r\n", "<html>\n" + RULES + "Disallow: /a"])
def test_an_untidy_robots_txt_is_read_as_far_as_it_can_be(serve, junk):
    server = serve({"/robots.txt": robots(junk.replace("Disallow: /\n", "")), "/a": page("a"), "/b": page("b")})
    assert fetch(server.url("/b")).body == b"b"


def test_a_byte_order_mark_does_not_hide_the_rules(serve):
    server = serve({"/robots.txt": robots("\ufeffUser-agent: *\r\nDisallow: /a\r\n"), "/a": page("a")})
    assert failure(server.url("/a"))[0] == "blocked by robots"


def test_only_the_first_500_kilobytes_of_robots_txt_are_read(serve):
    text = "User-agent: *\nDisallow: /a\n" + "# filler\n" * 55_560 + "Disallow: /b\n"
    server = serve({"/robots.txt": robots(text), "/a": page("a"), "/b": page("b")})
    assert fetch(server.url("/b")).body == b"b"
    assert failure(server.url("/a"))[0] == "blocked by robots"


def test_an_endless_robots_txt_is_read_as_far_as_it_has_to_be(serve):
    start = head(200) + b"User-agent: *\nDisallow: /a\n"
    server = serve({"/robots.txt": trickle(start, b"# filler\n" * 1000, 0), "/a": page("a"), "/b": page("b")})
    assert fetch(server.url("/b")).body == b"b"


def test_a_robots_txt_that_names_thousands_is_read_at_once(serve):
    agents = "".join(f"user-agent:robot{n}\n" for n in range(15_000))
    rules = "".join(f"disallow:/{n}\n" for n in range(10_000))
    server = serve({"/robots.txt": robots(agents + rules), "/1": page("a")})
    started = time.monotonic()
    assert fetch(server.url("/1")).body == b"a"
    assert time.monotonic() - started < 60


def test_the_delay_that_a_site_asks_for_is_kept(serve):
    server = serve({"/robots.txt": robots("User-agent: *\nCrawl-delay: 0.3"), "/a": page("a"), "/b": page("b")})
    with Fetcher(HERE, limits=QUICK) as fetcher:
        fetcher.fetch(server.url("/a"))
        fetcher.fetch(server.url("/b"))
    assert gaps(server)[0] >= 0.29


def test_a_delay_of_hours_is_cut_to_what_is_bearable(serve):
    server = serve({"/robots.txt": robots("User-agent: *\nCrawl-delay: 9999"), "/a": page("a"), "/b": page("b")})
    with Fetcher(HERE, limits=QUICK) as fetcher:
        fetcher.fetch(server.url("/a"))
        fetcher.fetch(server.url("/b"))
    assert gaps(server)[0] >= 0.39


# -- sparing hosts -------------------------------------------------------------------------------------------------


def gaps(server):
    starts = sorted(request.started for request in (*server.robots_requests, *server.requests))
    return [later - sooner for sooner, later in zip(starts, starts[1:], strict=False)]


def fetch_many(fetcher, urls):
    with ThreadPoolExecutor(len(urls)) as pool:
        return list(pool.map(fetcher.fetch, urls))


def test_a_host_is_asked_for_two_pages_at_once_at_most(serve):
    slow = SlowPage(0.1)
    server = serve({f"/{n}": slow for n in range(12)})
    with Fetcher(HERE, limits=QUICK) as fetcher:
        fetch_many(fetcher, [server.url(f"/{n}") for n in range(12)])
    assert (len(server.requests), slow.most_at_once) == (12, 2)


def test_public_hosts_are_not_hurried(serve):
    internet = Internet(serve({f"/{n}": page("a") for n in range(4)}), public_example=[PUBLIC])
    with internet.fetcher(limits=replace(QUICK, spacing=0.4)) as fetcher:
        fetch_many(fetcher, [f"http://public.example/{n}" for n in range(4)])
    assert min(gaps(internet.server)) >= 0.2


def test_a_slow_host_keeps_no_other_waiting(serve):
    slow, fast = serve({"/": silence(30)}), serve({"/": page("fast")})
    allow = frozenset({"localhost", "127.0.0.1"})
    with Fetcher(allow, limits=replace(QUICK, read=20, total=20)) as fetcher, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(fetcher.fetch, slow.url(host="localhost")) for _ in range(3)]
        while not slow.requests:
            time.sleep(0.01)
        assert fetcher.fetch(fast.url()).body == b"fast"
        assert not any(future.done() for future in waiting)
        fetcher.cancel()


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(serve, status):
    busy = page("", "text/html", status, "Retry-After: 1")
    server = serve({"/": in_turn(busy, page("at last"))})
    assert fetch(server.url()).body == b"at last"
    assert gaps(server)[-1] >= 0.99


def test_a_busy_server_may_give_a_date(serve):
    busy = page("", "text/html", 503, f"Retry-After: {email.utils.formatdate(time.time() + 2, usegmt=True)}")
    server = serve({"/": in_turn(busy, page("at last"))})
    assert fetch(server.url()).body == b"at last"
    assert gaps(server)[-1] >= 0.2


@pytest.mark.parametrize("after", ["3600", "9" * 400, "Fri, 31 Dec 9999 23:59:59 -0100"])
def test_a_server_that_is_busy_for_long_is_not_waited_for(serve, after):
    server = serve({"/": page("", "text/html", 429, f"Retry-After: {after}")})
    state, reason = failure(server.url())
    assert (state, len(server.requests)) == ("refused", 1)
    assert re.search(r"come back after \d{4}-\d\d-\d\d \d\d:\d\d UTC", reason)


_FAR_DATE = "Mon, 01 Jan 99999999999 00:00:00 GMT"


@pytest.mark.parametrize(
    "after", ["-1", "soon", "", "1.5", "Mon, 99 Jan 2023 00:00:00 GMT", "Mon, 02 Jan 2023 03:04:05 GMT", _FAR_DATE]
)
def test_a_retry_after_that_says_nothing_is_no_obstacle(serve, after):
    server = serve({"/": in_turn(page("", "text/html", 503, f"Retry-After: {after}"), page("at last"))})
    assert fetch(server.url()).body == b"at last"


def test_a_server_that_stays_busy_is_refused_after_three_tries(serve):
    server = serve({"/": page("", "text/html", 429, "Retry-After: 0")})
    assert failure(server.url()) == ("refused", "the server answered 429 (Too Many Requests)")
    assert len(server.requests) == 3


# -- stopping ------------------------------------------------------------------------------------------------------

PATIENT = replace(QUICK, read=100, total=100, connect=100, pauses=(100,), spacing=100, longest_wait=100)


@pytest.mark.parametrize(
    "behaviour",
    [
        silence(30),
        trickle(head(200), b"a", 0.05),
        page("", "text/html", 503, "Retry-After: 100"),
        raw(b""),
    ],
)
def test_cancelling_ends_what_runs_and_what_waits(serve, behaviour):
    server = serve({"/": behaviour})
    with Fetcher(HERE, limits=PATIENT) as fetcher, ThreadPoolExecutor(6) as pool:
        running = [pool.submit(fetcher.fetch, server.url()) for _ in range(6)]
        while not server.requests:
            time.sleep(0.01)
        assert_cancelled(fetcher, running)


def test_cancelling_ends_a_handshake(serve, certificate):
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, Fetcher(HERE, limits=PATIENT) as fetcher, ThreadPoolExecutor(1) as pool:
        running = [pool.submit(fetcher.fetch, f"https://127.0.0.1:{listener.getsockname()[1]}/")]
        connection, _ = listener.accept()
        connection.recv(1)
        assert_cancelled(fetcher, running)
        connection.close()


def test_cancelling_ends_an_encrypted_page(serve, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    internet = Internet(serve({"/": silence(30)}, certificate=certificate), notes_example=[PUBLIC])
    with internet.fetcher(limits=replace(PATIENT, spacing=0)) as fetcher, ThreadPoolExecutor(1) as pool:
        running = [pool.submit(fetcher.fetch, "https://notes.example/")]
        while not internet.server.requests:
            time.sleep(0.01)
        assert_cancelled(fetcher, running)


@pytest.mark.parametrize("stuck", ["resolve", "connect"])
def test_cancelling_ends_what_the_system_is_stuck_in(stuck):
    entered, leave = threading.Event(), threading.Event()

    def wait(*ignored, **named):
        entered.set()
        leave.wait(60)
        raise OSError

    options = {"resolve": lambda host, port, type: [(2, 1, 6, "", (PUBLIC, port))], "connect": wait} | {stuck: wait}
    with Fetcher(limits=PATIENT, **options) as fetcher, ThreadPoolExecutor(1) as pool:
        running = [pool.submit(fetcher.fetch, "http://public.example/")]
        entered.wait(10)
        assert_cancelled(fetcher, running)
        leave.set()


def test_nothing_is_fetched_after_cancelling(serve):
    server = serve({"/": page("a")})
    fetcher = Fetcher(HERE, limits=QUICK)
    fetcher.cancel()
    with pytest.raises(Cancelled):
        fetcher.fetch(server.url())
    assert server.connections == 0


def assert_cancelled(fetcher, running):
    started = time.monotonic()
    fetcher.cancel()
    assert {type(future.exception(timeout=20)) for future in running} == {Cancelled}
    assert time.monotonic() - started < 5
