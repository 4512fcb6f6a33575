"""What ingest costs: real pages over the encoder alone, and a thousand files when nothing has changed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from ingest.pipeline import ingest
from knowledge.encoder import SentenceTransformersEncoder
from knowledge.settings import DEFAULT_EMBEDDING_MODEL
from knowledge.store import Store
from tests.benchmarks.speed import ratio, seconds
from tests.conftest import make_settings

_CHUNKS = 2_000
_FILES = 1_000


def real_pages(folder: Path, models: Path) -> Iterator[str]:
    """Ingest of at least 2,000 chunks of HTML pages, over SentenceTransformer.encode (batch 32) of the same texts."""
    with tempfile.TemporaryDirectory() as place:
        settings = make_settings(Path(place) / "home", models)
        store = Store(settings)
        pages = _enough(folder, store, Path(place) / "pages")
        took = seconds(lambda: ingest(store, settings, [pages]))
        chunks = [chunk for listed in store.documents() for chunk in store.get(listed.document.source)]
        reference = SentenceTransformersEncoder(str(models / DEFAULT_EMBEDDING_MODEL))
        reference.encode(["warm up"])
        texts = [chunk.embedded_text for chunk in chunks]
        alone = seconds(lambda: reference.encode(texts))
        yield f"{len(chunks)} chunks of {store.counts()[0]} pages, made with {store.made_with}"
        yield ratio("ingest of pages", [took], "SentenceTransformer.encode alone", [alone])
        store.close()


def _enough(folder: Path, store: Store, pages: Path) -> Path:
    """A folder with as many of the pages as give enough chunks."""
    from ingest.read import read
    from ingest.split import split

    pages.mkdir()
    chunks = 0
    for number, path in enumerate(sorted(folder.rglob("*.html"))):
        if chunks >= _CHUNKS:
            break
        data = path.read_bytes()
        chunks += sum(len(split("", reading, store.encoder)) for reading in read(data, path.name, "html"))
        (pages / f"{number}.html").write_bytes(data)
    return pages


def unchanged_files(models: Path) -> Iterator[str]:
    """Ingest of a thousand unchanged files over the first ingest of the same ones."""
    with tempfile.TemporaryDirectory() as place:
        settings = make_settings(Path(place) / "home", models)
        notes = Path(place) / "notes"
        for number in range(_FILES):
            path = notes / f"folder {number % 20}" / f"{number}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            sections = (
                f"## Subject {number}.{part}\n\nWhat is known of it. " + "More of it. " * 20 for part in range(3)
            )
            path.write_text("\n\n".join(sections), encoding="utf-8")
        store = Store(settings)
        first = [seconds(lambda: ingest(store, settings, [notes]))]
        again = [seconds(lambda: ingest(store, settings, [notes])) for _ in range(5)]
        yield ratio(f"ingest of {_FILES} files, nothing changed", again, "the first ingest of them", first)
        store.close()
