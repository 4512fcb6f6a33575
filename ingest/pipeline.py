"""Bring the index in step with files, folders and the pages that the notes link to."""

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ingest.find import find
from ingest.read import format_of, gives_more_now, sniff
from ingest.reading import Reading, Unreadable
from ingest.split import CHUNKING
from ingest.worker import Worker
from ingest.writer import Writer, make_document
from knowledge.documents import Document, LinkedPage, SourceFile
from knowledge.errors import NotesError
from knowledge.settings import Settings
from knowledge.store import Store

SHIPPED_NOTES = Path(__file__).resolve().parent.parent / "knowledge" / "notes"


@dataclass
class Summary:
    """What an ingest did. `documents` and `chunks` count the whole index afterwards, the rest counts files."""

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
    #: one line for each file, or page that was asked for, that could not be read
    failures: list[str] = field(default_factory=list)
    #: one line for each file that was read in part
    partly: list[str] = field(default_factory=list)
    #: what was passed over, with the reason
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    #: whether one of the failures is of a file or page that was named by itself
    failed_by_name: bool = False

    def notes_left_out(self) -> list[str]:
        """One line for each file that looks like a note and was passed over all the same; the rest is only counted."""
        return [f"{path}: {reason}" for path, reason in self.left_out if format_of(path.name)]

    def counts(self) -> dict[str, object]:
        """The summary as the command line's JSON."""
        told = ("failures", "partly", "left_out", "failed_by_name")
        return {key: value for key, value in asdict(self).items() if key not in told}


#: Called with what is being done, how much there is to do, how much is done, and the name of what is at hand.
Progress = Callable[[str, int, int, str], None]


def _quietly(stage: str, total: int, done: int, name: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class Linked:
    """How the pages that notes link to are treated: whether they are fetched now, and which private hosts may be."""

    fetch: bool = False
    allow_private: frozenset[str] = frozenset()
    #: pages that were tried before are left as they are
    only_new: bool = False
    #: pages, by their key, that are fetched whatever else holds
    again: frozenset[str] = frozenset()


def ingest(
    store: Store,
    settings: Settings,
    sources: Iterable[Path | str],
    progress: Progress = _quietly,
    say: Callable[[str], None] = lambda line: None,
    linked: Linked = Linked(),  # noqa: B008  frozen
) -> Summary:
    """Index `sources`, paths and addresses of pages, so that the store mirrors them: new, changed and deleted alike.

    Without sources: what was ingested before, or the shipped notes the first time. `say` gets one line where
    something unusual is done. Safe to kill at any moment: the next run completes the work.
    Raises NotesError for a path that is not there, before anything is changed.
    """
    started = time.monotonic()
    paths, addresses = _known_sources(sources, store)
    linked = replace(
        linked,
        fetch=linked.fetch or settings.fetch_links,
        allow_private=linked.allow_private | frozenset(settings.allow_private_hosts),
    )
    with store.writing():
        made_with = _made_with(store)
        rebuild = store.made_with not in (None, made_with)
        if rebuild:
            say(
                f"the index was made with {store.made_with}; making a new one with {made_with} "
                "(until it is complete, the old one answers)"
            )
        if rebuild or not (paths or addresses):
            paths = sorted({*paths, *_remembered_paths(store, say)})
        with store.renewed(made_with) if rebuild else nullcontext(store) as target, Worker() as worker:
            if target.made_with is None:
                target.made_with = made_with
            with target.unfinished():
                run = _Run(target, settings, worker, progress, say, previous=store if rebuild else None)
                summary = run.mirror(paths, addresses, linked)
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def is_current(store: Store) -> bool:
    """Whether something is indexed, and as it would be now: with the same embedding model, split the same way."""
    return bool(store.counts()[0]) and store.made_with == _made_with(store)


def _made_with(store: Store) -> str:
    return f"{store.encoder_name} · {CHUNKING}"


def _known_sources(sources: Iterable[Path | str], store: Store) -> tuple[list[Path], list[str]]:
    """The paths and the addresses among `sources`. Raises NotesError for one that cannot be."""
    from ingest.addresses import Refused, parse

    paths, addresses = [], []
    for source in sources:
        if "://" in (text := str(source)) or text.startswith(("http:/", "https:/")):
            try:
                addresses.append(str(parse(text)))
            except Refused as error:
                raise NotesError(f"{text}: {error}") from error
        else:
            paths.append(_known_path(Path(source), store))
    return paths, addresses


def _known_path(path: Path, store: Store) -> Path:
    root = Path(os.path.abspath(path.expanduser()))
    try:
        root.stat()
    except (FileNotFoundError, NotADirectoryError):
        if not any(Path(file.path).is_relative_to(root) for file in store.files()):
            raise NotesError(f"{path}: no such file or folder") from None
    except OSError as error:
        raise NotesError(f"{path}: cannot be opened ({error.strerror})") from error
    return root


def _remembered_paths(store: Store, say: Callable[[str], None]) -> list[Path]:
    """What was ingested before and is to be looked at now. A folder that is gone may be a disk that was unplugged: what
    was in it leaves the index when it is named, a file at once."""
    roots = store.roots()
    folders = {folder for file in store.files() for folder in Path(file.path).parents}
    present = []
    for root in (Path(root) for root in roots if "://" not in root):
        if is_away(root) or (root in folders and not os.path.exists(root)):
            say(f"{root}: not there now; what was indexed from it is kept")
        else:
            present.append(root)
    return present if roots else [SHIPPED_NOTES]


def is_away(root: Path) -> bool:
    """Whether what was ingested before cannot be reached: its disk is not there, or a folder above it is closed."""
    try:
        root.stat()
    except (FileNotFoundError, NotADirectoryError):  # a deleted folder leaves the index
        return not os.path.exists(root.parent)
    except OSError:
        return True
    return False


@dataclass(frozen=True)
class Removed:
    """What `remove` took out, so that `restore` can bring it back: the files and folders that are read for it, and the
    addresses that had been asked for."""

    source: str
    documents: int
    paths: tuple[str, ...]
    addresses: tuple[str, ...]


def remove(store: Store, source: str) -> Removed:
    """Take a file, a folder, an address, or one document of an archive out of the index.

    What lies inside a folder that is kept stays out until it is ingested by its name again.
    Raises NotesError for what is not in the index.
    """
    from ingest.addresses import key_of

    path = source if "://" in source else os.path.abspath(os.path.expanduser(source))
    with store.writing(), store.unfinished():
        documents = [listed.document for listed in store.documents()]
        files = [file.path for file in store.files() if Path(file.path).is_relative_to(path)]
        key = key_of(source)
        pages = [document for document in documents if document.source == path or (key and document.key == key)]
        given_up = [
            root for root in store.roots() if root == path or ("://" not in root and Path(root).is_relative_to(path))
        ]
        if not files and not pages and not given_up:
            raise NotesError(f"{source}: is not in the index (`askmynotes sources` lists what is)")
        removed = [document for document in documents if document.file in files or document in pages]
        for root in given_up:
            store.remove_root(root)
        if key or any(Path(path).is_relative_to(root) for root in store.roots()):
            store.exclude(path)
        for file in files:
            store.remove_file(file)
        for page in pages:
            store.remove(page.source)
    holding = [path] if files else [page.file for page in pages if page.file]
    folders = [root for root in given_up if "://" not in root] or holding
    return Removed(path, len(removed), tuple(folders), tuple(root for root in given_up if "://" in root))


def restore(store: Store, settings: Settings, removed: Removed, progress: Progress = _quietly) -> Summary:
    """Bring back what `remove` took out: what the files hold now, and the pages as they were fetched."""
    with store.writing():
        store.include(removed.source)
        for address in removed.addresses:
            store.add_root(address)
        for file in store.files():
            if file.path in removed.paths:  # an archive, of which one document was taken out
                store.touch(replace(file, digest="", mtime_ns=0))
    return _mirror(store, settings, [Path(path) for path in removed.paths], Linked(), progress)


def fetch_again(store: Store, settings: Settings, url: str, progress: Progress = _quietly) -> LinkedPage | None:
    """Fetch a page that notes link to, or that was asked for; returns how it ended, None where neither is so."""
    from ingest.addresses import key_of

    key = key_of(url)
    linked = Linked(allow_private=frozenset(settings.allow_private_hosts), again=frozenset({key}))
    _mirror(store, settings, [], linked, progress)
    return store.pages().get(key)


def _mirror(store: Store, settings: Settings, paths: list[Path], linked: Linked, progress: Progress) -> Summary:
    """Bring a part of the current edition in step."""
    with store.writing(), Worker() as worker, store.unfinished():
        return _Run(store, settings, worker, progress, lambda line: None, previous=None).mirror(paths, [], linked)


class _Run:
    """One ingest: what is known, what is waiting to be embedded, and the counts so far."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        worker: Worker,
        progress: Progress,
        say: Callable[[str], None],
        previous: Store | None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._max_bytes = settings.max_file_mb * 2**20
        self._worker = worker
        self._progress = progress
        self._say = say
        self._known = {file.path: file for file in store.files()}
        self._full = {listed.document.file for listed in store.documents()}
        self._roots: list[Path] = []
        self._excluded: frozenset[str] = frozenset()
        self._closed: set[Path] = set()
        self._before = {file.path for file in (previous or store).files()}
        self._previous = previous
        same_model = previous and (previous.made_with or "").split(" · ")[0] == store.encoder_name
        self._writer = Writer(store, previous if same_model else None, self._advance)
        self._bytes_total = 0
        self._bytes_done = 0
        self.summary = Summary()

    def mirror(self, roots: list[Path], addresses: list[str], linked: Linked) -> Summary:
        from ingest.links import Articles

        summary = self.summary
        self._roots = roots
        for source in (*roots, *addresses):
            self._store.include(str(source))
        self._excluded = frozenset(self._store.excluded())
        files = self._find(roots)
        todo = [path for path in files if self._looks_changed(path)]
        self._bytes_total = sum(stat.st_size for path in todo if (stat := _stat(path)))
        self._recall(set(files) - set(todo))
        for path in todo:
            self._read(path)
        self._writer.flush()
        self._remove_missing(roots, files)
        if self._previous:
            self._carry_over(self._previous, roots, files)
        for root in roots:
            self._remember(root)
        for address in addresses:
            self._store.add_root(address)
        articles = Articles(self._store, self._settings.pages, self._worker, self._writer, self._progress, self._say)
        summary.links = articles.mirror(linked, addresses)
        for state in articles.failed(addresses):
            summary.failures.append(f"{state.url}: {state.state}" + (f" ({state.reason})" if state.reason else ""))
            summary.failed_by_name = True
        summary.documents, summary.chunks = self._store.counts()
        return summary

    def _find(self, roots: list[Path]) -> list[Path]:
        files: dict[Path, None] = {}
        excluded = frozenset(map(Path, self._excluded))
        for root in roots:
            if root.exists():
                found = find(root, self._max_bytes, excluded, self._settings.home)
                files |= dict.fromkeys(found.files)
                self.summary.left_out += found.skipped
                self._closed |= found.closed
        self.summary.skipped = len(self.summary.left_out)
        self._store.set_left_out(map(str, roots), [(_shown(path), reason) for path, reason in self.summary.left_out])
        return list(files)

    def _looks_changed(self, path: Path) -> bool:
        known = self._known.get(str(path))
        stat = _stat(path)
        if known is None or stat is None or gives_more_now(known.problem):
            return True
        return (known.size, known.mtime_ns) != (stat.st_size, _changed(stat))

    def _recall(self, unchanged: set[Path]) -> None:
        """Count the files that are as they were, and say again what is wrong with them."""
        for path in unchanged:
            file = self._known[str(path)]
            if file.failed:
                self._tell_failure(file)
            elif not file.problem or str(path) in self._full:
                self.summary.unchanged += 1
                if file.problem:
                    self.summary.partly.append(f"{path}: {file.problem}")
            else:
                self._tell_empty(file)

    def _read(self, path: Path) -> None:
        known = self._known.get(str(path))
        try:
            stat = path.stat()
            data = path.read_bytes()
        except OSError as error:
            return self._fail(SourceFile(str(path)), f"cannot be read ({error.strerror})")
        file = SourceFile(str(path), hashlib.sha256(data).hexdigest(), stat.st_size, _settled(stat))
        if known and known.digest == file.digest and not gives_more_now(known.problem):
            self._store.touch(replace(known, size=file.size, mtime_ns=file.mtime_ns))
            self._recall({path})
            return self._advance(file.size, file.path)
        try:
            documents, problem = self._documents(path, data, file.digest)
        except Unreadable as error:
            return self._fail(file, str(error))
        if not documents:
            return self._give_nothing(file, problem)
        if problem:
            self.summary.partly.append(f"{path}: {problem}")
        if str(path) in self._before:
            self.summary.changed += 1
        else:
            self.summary.added += 1
        self._writer.add(documents, replace(file, problem=problem))

    def _documents(self, path: Path, data: bytes, digest: str) -> tuple[list[Document], str]:
        """What a file holds, and what is to be said of it. Raises Unreadable."""
        readings = self._worker.read(data, str(path), format_of(path.name) or sniff(data)) if data.strip() else []
        told = [reading.problem for reading in readings if reading.problem]
        full = {_source(path, reading): reading for reading in readings if reading.text.strip()}
        documents = [
            make_document(reading, source, str(path), digest, self._store)
            for source, reading in full.items()
            if source not in self._excluded
        ]
        if not documents and told:
            raise Unreadable("; ".join(told))
        return documents, "; ".join(told)

    def _give_nothing(self, file: SourceFile, problem: str) -> None:
        """A file without text is known, so that it can be named; what it held before goes."""
        file = replace(file, problem=problem or ("is empty" if not file.size else "holds no text"))
        self._store.add([], file)
        self._tell_empty(file)
        self._advance(file.size, file.path)

    def _tell_empty(self, file: SourceFile) -> None:
        self.summary.skipped += 1
        self.summary.left_out.append((Path(file.path), file.problem))

    def _fail(self, file: SourceFile, reason: str) -> None:
        """A file that cannot be read now keeps what was indexed of it before."""
        file = replace(file, problem=reason, failed=True)
        self._store.touch(file)
        self._tell_failure(file)
        self._advance(file.size, file.path)

    def _tell_failure(self, file: SourceFile) -> None:
        self.summary.failed += 1
        self.summary.failures.append(f"{file.path}: {file.problem}")
        self.summary.failed_by_name |= Path(file.path) in self._roots

    def _advance(self, size: int, source: str) -> None:
        self._bytes_done = min(self._bytes_total, self._bytes_done + size)
        if size:
            self._progress("Indexing", self._bytes_total, self._bytes_done, Path(source).name)

    def _remove_missing(self, roots: list[Path], files: list[Path]) -> None:
        """After the rest, so that a file that only moved keeps its vectors."""
        for path in self._gone(self._known, roots, files):
            self._store.remove_file(path)
            self.summary.removed += 1

    def _gone(self, known: Iterable[str], roots: list[Path], files: list[Path]) -> set[str]:
        """Those of the `known` files that were looked for and are not there. What stands in a folder that cannot be
        opened now is kept, as is a file that cannot be read."""
        return {
            path
            for path in set(known).difference(map(str, files))
            if any(self._covers(root, Path(path)) for root in roots)
            and self._closed.isdisjoint((Path(path), *Path(path).parents))
        }

    def _carry_over(self, previous: Store, roots: list[Path], files: list[Path]) -> None:
        """Take into a new edition what cannot be read now, as it was read for the one before."""
        current = {file.path: file for file in self._store.files()}
        held: dict[str, list[Document]] = {}
        for listed in previous.documents():
            held.setdefault(listed.document.file, []).append(listed.document)
        known = {file.path: file for file in previous.files() if file.path in held}
        for path in sorted(known.keys() - self._gone(known, roots, files)):
            file = current.get(path)
            if file is None or file.failed:
                # without digest and time, so that it is read as soon as it can be
                file = file or replace(known[path], digest="", mtime_ns=0)
                self._writer.add([previous.whole(document) for document in held[path]], file)
        self._writer.flush()

    def _remember(self, root: Path) -> None:
        """Keep `root` for the next ingest without arguments, unless a folder above it is kept already."""
        if not root.exists():
            self._store.remove_root(str(root))
            return
        others = [Path(other) for other in self._store.roots() if "://" not in other and Path(other) != root]
        for other in others:
            if self._covers(root, other):
                self._store.remove_root(str(other))
        if any(self._covers(other, root) for other in others):
            self._store.remove_root(str(root))
        else:
            self._store.add_root(str(root))

    def _covers(self, folder: Path, path: Path) -> bool:
        """Whether an ingest of `folder` takes up `path`: it lies inside, and nothing that it lies in was taken out.

        What was dropped on the page is a source of its own, also where the home folder lies among the notes.
        """
        taken_out = [Path(other) for other in self._excluded if Path(other).is_relative_to(folder)]
        if folder in self._settings.home.parents:
            taken_out.append(self._settings.dropped)
        return path.is_relative_to(folder) and not any(path.is_relative_to(other) for other in taken_out)


def _source(path: Path, reading: Reading) -> str:
    """Names a document: the file, and in an archive what it is called there."""
    if not reading.name:
        return str(path)
    return f"{path}#{reading.name}" if "://" in reading.name else f"{path}/{reading.name}"


def _changed(stat: os.stat_result) -> int:
    """When a file was last written or put in its place. The latter nobody sets: archives and copying programs give
    files the time that they had elsewhere, which may be that of what stood here before."""
    return max(stat.st_mtime_ns, stat.st_ctime_ns)


def _settled(stat: os.stat_result) -> int:
    """The time of the last change; none where it is so recent that the next change might carry the same."""
    return changed if time.time_ns() - (changed := _changed(stat)) > 2 * 10**9 else 0


def _shown(path: Path) -> str:
    """A path as text that the catalogue can hold, whatever bytes are in its name."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _stat(path: Path) -> os.stat_result | None:
    """None for a file that has just gone; reading it then tells why."""
    try:
        return path.stat()
    except OSError:
        return None
