import time

from chatbot.ingest_job import IngestJob


def line_at_the_end(settings):
    job = IngestJob(settings)
    job.start()
    return ended(job)


def ended(job):
    end = time.monotonic() + 60
    while job.running and time.monotonic() < end:
        time.sleep(0.05)
    return job.line


def test_a_catalogue_that_cannot_be_opened_is_told(settings):
    (settings.home / "catalogue.sqlite").write_bytes(b"nothing of the kind" * 1000)
    assert "the catalogue cannot be opened" in line_at_the_end(settings)


def test_a_fault_of_the_programs_own_is_told(settings, monkeypatch):
    def ingest(*arguments, **options):
        raise KeyError("maybe")

    monkeypatch.setattr("ingest.pipeline.ingest", ingest)
    assert "something went wrong inside askmynotes ('maybe')" in line_at_the_end(settings)


def test_a_job_is_stopped_and_the_next_one_does_what_was_left(settings, tmp_path):
    (tmp_path / "note.md").write_text("## Bees\nThey hum.\n")
    job = IngestJob(settings)
    assert job.start([str(tmp_path / "note.md")])
    assert not job.start(), "one at a time"
    job.stop()
    assert ended(job).startswith("Stopped.")
    assert job.start([str(tmp_path / "note.md")])
    assert ended(job) == "Done: 1 added."
    assert job.share == 1
