from ingest.pages import Page, Pages

PAGE = Page(
    url="https://example.org/a?b=1",
    final_url="https://www.example.org/a",
    body="<h1>Grüße</h1>".encode(),
    headers=(("Content-Type", "text/html; charset=utf-8"), ("Content-Encoding", "gzip"), ("ETag", '"v1"')),
    content_type="text/html",
    charset="utf-8",
    fetched_at="2026-01-02T03:04:05Z",
)


def test_a_page_comes_back_as_it_was_fetched(tmp_path):
    pages = Pages(tmp_path / "pages")
    assert pages.load("example.org/a?b=1") is None
    pages.save("example.org/a?b=1", PAGE)
    kept = pages.load("example.org/a?b=1")
    assert (kept.url, kept.final_url, kept.body, kept.charset) == (PAGE.url, PAGE.final_url, PAGE.body, "utf-8")
    assert (kept.fetched_at, kept.etag, kept.content_type) == (PAGE.fetched_at, '"v1"', "text/html")


def test_a_kept_page_is_a_web_archive_that_other_tools_read(tmp_path):
    from warcio.archiveiterator import ArchiveIterator

    Pages(tmp_path).save("example.org/a", PAGE)
    [file] = tmp_path.iterdir()
    assert file.name.startswith("example.org-")
    with file.open("rb") as stream:
        found = [
            (record.rec_headers.get_header("WARC-Target-URI"), record.content_stream().read())
            for record in ArchiveIterator(stream, check_digests="raise")
        ]
    assert found == [(PAGE.url, PAGE.body)]


def test_a_damaged_file_counts_as_no_page(tmp_path):
    pages = Pages(tmp_path)
    pages.save("example.org/a", PAGE)
    [file] = tmp_path.iterdir()
    data = file.read_bytes()
    for place in range(0, len(data), 7):
        file.write_bytes(data[:place])
        assert pages.load("example.org/a") is None
        file.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
        damaged = pages.load("example.org/a")
        assert damaged is None or damaged.body == PAGE.body, "in the head of the file are bytes that say nothing"
    file.write_bytes(b"nothing of the kind")
    assert pages.load("example.org/a") is None


def test_an_address_is_no_way_out_of_the_folder(tmp_path):
    pages = Pages(tmp_path / "pages")
    for key in ("../../etc/passwd", "a/../../../b", "x" * 500 + ".example/y", "[::1]:8080/z"):
        pages.save(key, PAGE)
        assert pages.load(key).body == PAGE.body
    assert {path.parent for path in tmp_path.rglob("*.warc.gz")} == {tmp_path / "pages"}
    assert len(list((tmp_path / "pages").iterdir())) == 4
