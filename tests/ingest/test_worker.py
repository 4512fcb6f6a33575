import os
import signal
import threading
import time

import pytest

from ingest.pages import Page
from ingest.reading import Unreadable
from ingest.worker import Worker

TABLE = b"name,age\nAda,36\n"


def test_a_file_is_read_in_another_process():
    with Worker() as worker:
        [reading] = worker.read(TABLE, "people.csv", "table")
        assert "Ada" in reading.text
        assert worker._process.pid != os.getpid()


def test_a_reader_that_dies_costs_one_file():
    with Worker() as worker:
        worker.read(TABLE, "people.csv", "table")
        killer = threading.Timer(0.5, os.kill, (worker._process.pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(Unreadable, match="crash"):
            worker.read(b"a,b\n" * 3_000_000, "large.csv", "table")
        assert "Ada" in worker.read(TABLE, "people.csv", "table")[0].text


def test_a_reader_that_does_not_come_to_an_end_is_given_up():
    with Worker(patience=1) as worker:
        started = time.monotonic()
        with pytest.raises(Unreadable, match="longer than 1 second"):
            worker.read(b"a,b\n" * 5_000_000, "large.csv", "table")
        assert time.monotonic() - started < 30


def test_a_fault_in_a_reader_that_needs_no_process_costs_one_file(monkeypatch):
    def fail(*question):
        raise KeyError("maybe")

    monkeypatch.setattr("ingest.worker.read", fail)
    with Worker() as worker, pytest.raises(Unreadable, match="cannot be read"):
        worker.read(b"text", "note.md", "markdown")


@pytest.mark.parametrize("tesseract", [None, "/usr/bin/tesseract"])
def test_only_scans_that_can_be_read_take_longer_wherever_they_come_from(monkeypatch, tesseract):
    waited = []
    monkeypatch.setattr("shutil.which", lambda name: tesseract)
    monkeypatch.setattr(Worker, "_ask", lambda self, question, patience: waited.append(patience) or [None])
    with Worker(patience=1) as worker:
        worker.read(b"%PDF-1.7", "scan.pdf", "pdf")
        worker.read_page(Page("https://example.org/scan", "https://example.org/scan", b"%PDF-1.7"))
        worker.read(TABLE, "people.csv", "table")
        worker.read_page(Page("https://example.org/", "https://example.org/", b"<html>"))
    scan, linked_scan, table, page = waited
    assert scan == linked_scan
    assert (scan > 1) == bool(tesseract)
    assert table == page == 1


def test_what_is_wrong_with_a_file_is_told():
    with Worker() as worker:
        with pytest.raises(Unreadable, match="binary"):
            worker.read(b"a\0b", "odd.csv", "table")
        assert worker.read(TABLE, "people.csv", "table")


def test_what_a_parser_prints_is_not_seen(capfd):
    record = b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Length: 3\r\n\r\nlonger than that\r\n\r\n"
    with Worker() as worker, pytest.raises(Unreadable):
        worker.read(record, "cut.warc", "warc")
    assert capfd.readouterr() == ("", "")
