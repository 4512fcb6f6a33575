import gzip
from io import BytesIO

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from ingest.read import read
from ingest.readers.warc import pages_in
from ingest.reading import Unreadable


def archive(pages, packed):
    file = BytesIO()
    writer = WARCWriter(file, gzip=packed)
    for number in range(pages):
        body = f"<title>Page {number}</title><p>" + "Bread rises faster where the air is thin. " * 20
        headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], "HTTP/1.1")
        payload = BytesIO(body.encode())
        record = writer.create_warc_record(f"http://a.example/{number}", "response", payload, http_headers=headers)
        writer.write_record(record)
    return file.getvalue()


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress], ids=["as it is", "packed as a whole"])
def test_an_archive_is_read_however_it_is_packed(pack):
    assert len(list(pages_in(pack(archive(2, packed=False))))) == 2


@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_archive_gives_the_pages_before_the_cut_and_says_so(packed):
    first, whole = len(archive(1, packed)), archive(2, packed)
    for cut in range(first + 10, len(whole) - 10, 7):
        [reading] = read(whole[:cut], "cut.warc", "warc")
        assert reading.title == "Page 0"
        assert reading.problem.endswith("the rest is damaged or cut off")
    [_, _] = read(whole, "whole.warc", "warc")


@pytest.mark.parametrize("data", [b"rubbish \x00\xff", gzip.compress(b"no archive"), archive(1, True)[:-50]])
def test_what_is_no_archive_says_so_without_its_bytes(data):
    with pytest.raises(Unreadable, match=r"^is damaged or cut off: not a readable web archive$"):
        read(data, "odd.warc", "warc")
