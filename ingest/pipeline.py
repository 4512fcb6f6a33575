"""Bring the index in step with files and folders."""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ingest.clean import clean
from ingest.find import MARKDOWN_SUFFIXES, NOTE_SUFFIXES, find
from ingest.read import decode
from ingest.split import CHUNKING, split_markdown, split_text
from knowledge.documents import Chunk, Document
from knowledge.errors import NotesError
from knowledge.settings import Settings
from knowledge.store import Store

SHIPPED_NOTES = Path(__file__).resolve().parent.parent / "knowledge" / "notes"

#: Chunks embedded before the documents they belong to become visible: what a killed run does again.
_BATCH = 128


@dataclass
class Summary:
    """What an ingest did. `documents` and `chunks` count the whole index afterwards."""

    documents: int = 0
    chunks: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: int = 0
    failed: int = 0
    links: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    #: one line for each file that could not be read
    failures: list[str] = field(default_factory=list)
    #: what was passed over, with the reason
    left_out: list[tuple[Path, str]] = field(default_factory=list)

    def notes_left_out(self) -> list[str]:
        """One line for each file that looks like a note and was passed over all the same; the rest is only counted."""
        return [f"{path}: {reason}" for path, reason in self.left_out if path.suffix.lower() in NOTE_SUFFIXES]

    def counts(self) -> dict[str, object]:
        """The summary as the command line's JSON."""
        return {key: value for key, value in asdict(self).items() if key not in ("failures", "left_out")}


#: Called with the bytes to read in all, the bytes done, and the name of the file at hand.
Progress = Callable[[int, int, str], None]


def ingest(
    store: Store,
    settings: Settings,
    paths: Iterable[Path],
    progress: Progress = lambda total, done, name: None,
    say: Callable[[str], None] = lambda line: None,
) -> Summary:
    """Index `paths` so that the store mirrors them: new, changed and deleted files alike.

    Without paths: what was ingested before, or the shipped notes the first time. `say` gets one line where
    something unusual is done. Safe to kill at any moment: the next run completes the work.
    Raises NotesError for a path that is not there, before anything is changed.
    """
    started = time.monotonic()
    roots = [_known_root(path, store) for path in paths] or _remembered_roots(store, say)
    with store.writing():
        summary = _Run(store, settings, progress, say).mirror(roots)
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def _known_root(path: Path, store: Store) -> Path:
    root = Path(os.path.abspath(path.expanduser()))
    indexed = (Path(document.source) for document, _, _ in store.documents())
    if root.exists() or any(source.is_relative_to(root) for source in indexed):
        return root
    raise NotesError(f"{path}: no such file or folder")


def _remembered_roots(store: Store, say: Callable[[str], None]) -> list[Path]:
    roots = [Path(root) for root in store.roots()]
    present = []
    for root in roots:
        # a deleted folder leaves the index; one on a disk that is not there now stays
        if root.exists() or root.parent.exists():
            present.append(root)
        else:
            say(f"{root}: not there now; what was indexed from it is kept")
    return present if roots else [SHIPPED_NOTES]


class _Run:
    """One ingest: what is known, what is waiting to be embedded, and the counts so far."""

    def __init__(self, store: Store, settings: Settings, progress: Progress, say: Callable[[str], None]) -> None:
        self._store = store
        self._max_bytes = settings.max_file_mb * 2**20
        self._progress = progress
        self._known = {document.source: document for document, _, _ in store.documents()}
        self._waiting: list[Document] = []
        self._bytes_total = 0
        self._bytes_done = 0
        self._made_with = f"{settings.embedding_model} · {CHUNKING}"
        self._rebuild = store.made_with not in (None, self._made_with)
        if self._rebuild:
            say(f"the index was made with {store.made_with}; indexing everything again with {self._made_with}")
        self.summary = Summary()

    def mirror(self, roots: list[Path]) -> Summary:
        summary = self.summary
        if self._rebuild:
            roots = sorted({*roots, *map(Path, self._store.roots())})
        files = self._find(roots)
        todo = [path for path in files if self._looks_changed(path)]
        summary.unchanged = len(files) - len(todo)
        self._bytes_total = sum(stat.st_size for path in todo if (stat := _stat(path)))
        for path in todo:
            self._read(path)
            if sum(len(document.chunks) for document in self._waiting) >= _BATCH:
                self._write()
        self._write()
        self._remove_missing(roots, files)
        for root in roots:
            self._remember(root)
        if self._rebuild or self._store.made_with is None:
            self._store.complete(self._made_with)
        summary.documents, summary.chunks = self._store.counts()
        links = self._store.count_links()
        # nothing is fetched unless it is asked for
        summary.links = {"found": links, "fetched": 0, "unchanged": 0, "failed": 0, "skipped": links}
        return summary

    def _find(self, roots: list[Path]) -> list[Path]:
        files: dict[Path, None] = {}
        for root in roots:
            if root.exists():
                found = find(root, self._max_bytes)
                files |= dict.fromkeys(found.files)
                self.summary.left_out += found.skipped
        self.summary.skipped = len(self.summary.left_out)
        return list(files)

    def _looks_changed(self, path: Path) -> bool:
        known = self._known.get(str(path))
        if known is None or self._rebuild:
            return True
        stat = _stat(path)
        return stat is None or (known.size, known.mtime_ns) != (stat.st_size, stat.st_mtime_ns)

    def _read(self, path: Path) -> None:
        summary, known = self.summary, self._known.get(str(path))
        try:
            stat = path.stat()
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            if known and known.digest == digest and not self._rebuild:
                self._store.touch(Document(str(path), known.title, digest, stat.st_size, stat.st_mtime_ns))
                summary.unchanged += 1
                self._advance(stat.st_size, path.name)
                return
            text = clean(decode(data, path))
        except OSError as error:
            return self._fail(f"{path}: cannot be read ({error.strerror})")
        except NotesError as error:
            return self._fail(str(error))
        split = split_markdown if path.suffix.lower() in MARKDOWN_SUFFIXES else split_text
        title, chunks = split(str(path), path.stem, text, self._store.encoder)
        self._waiting.append(Document(str(path), title, digest, stat.st_size, stat.st_mtime_ns, chunks=tuple(chunks)))
        if known is None:
            summary.added += 1
        else:
            summary.changed += 1

    def _fail(self, line: str) -> None:
        """A file that cannot be read now keeps what was indexed of it before."""
        self.summary.failed += 1
        self.summary.failures.append(line)

    def _write(self) -> None:
        """Embed what is waiting, then make it visible."""
        chunks = [chunk for document in self._waiting for chunk in document.chunks]
        missing = self._store.missing(chunks) if chunks else []
        waiting_bytes = sum(document.size for document in self._waiting)
        for part in _batches(missing):
            self._store.embed(part)
            # a document is visible only when all of it is embedded, so most of its bytes are done by now
            self._advance(waiting_bytes * len(part) // (len(missing) + len(self._waiting)), Path(part[-1].source).name)
        for document in self._waiting:
            self._store.add(document)
        self._waiting.clear()

    def _advance(self, size: int, name: str) -> None:
        self._bytes_done = min(self._bytes_total, self._bytes_done + size)
        self._progress(self._bytes_total, self._bytes_done, name)

    def _remove_missing(self, roots: list[Path], files: list[Path]) -> None:
        """After the rest, so that a file that only moved keeps its vectors."""
        present = {str(path) for path in files}
        unread = {str(path) for path, _ in self.summary.left_out}
        for source in self._known:
            inside = any(Path(source).is_relative_to(root) for root in roots)
            if inside and source not in present and not (source in unread and Path(source).exists()):
                self._store.remove(source)
                self.summary.removed += 1

    def _remember(self, root: Path) -> None:
        """Keep `root` for the next ingest without arguments, unless a folder above it is kept already."""
        if not root.exists():
            self._store.remove_root(str(root))
            return
        others = [Path(other) for other in self._store.roots()]
        if any(root.is_relative_to(other) for other in others):
            return
        for other in others:
            if other.is_relative_to(root):
                self._store.remove_root(str(other))
        self._store.add_root(str(root))


def _stat(path: Path) -> os.stat_result | None:
    """None for a file that has just gone; reading it then tells why."""
    try:
        return path.stat()
    except OSError:
        return None


def _batches(chunks: list[Chunk]) -> Iterator[list[Chunk]]:
    for start in range(0, len(chunks), _BATCH):
        yield chunks[start : start + _BATCH]
