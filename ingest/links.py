"""The pages that notes link to: fetch them where that is asked for, and keep their articles in the index.

Every link ends in one state, with a reason: "fetched", "unchanged", "blocked by robots", "gone", "refused",
"timed out", "too large", "wrong type", "no text", "paywalled", "private address" or "never tried". An article that was
once fetched stays as long as a note links to it, whatever becomes of the page.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ingest.addresses import Refused, key_of, parse, where_to_fetch
from ingest.pages import Page, Pages
from ingest.read import NoArticle
from ingest.reading import Unreadable
from ingest.writer import Writer, make_document
from knowledge.documents import LinkedPage, Reference
from knowledge.store import Store

if TYPE_CHECKING:
    from ingest.fetch import Fetcher
    from ingest.pipeline import Linked, Progress
    from ingest.worker import Worker

NEVER_TRIED = "never tried"
HELD_BACK = frozenset({NEVER_TRIED, "blocked by robots", "private address"})
KEPT = frozenset({"fetched", "unchanged"})

#: Pages on their way at once; a host is asked for two at a time (`ingest.fetch`).
_THREADS = 8


class Articles:
    """Keeps the articles in the index in step with the links in the notes."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        worker: "Worker",
        writer: Writer,
        progress: "Progress",
        say: Callable[[str], None],
    ) -> None:
        self._store = store
        self._pages = Pages(folder)
        self._worker = worker
        self._writer = writer
        self._progress = progress
        self._say = say
        self._rows = store.pages()
        self._wanted: dict[str, str] = {}

    def mirror(self, linked: "Linked", asked: list[str]) -> dict[str, int]:
        """Fetch what is to be fetched, index what was, drop what no note links to; returns the counts of links.

        `asked` are addresses that the person gave: they are fetched without any further word.
        """
        self._wanted = wanted = _wanted(self._store)
        _match_mirrored_files(self._store, wanted)
        saved = {listed.document.key for listed in self._store.documents() if listed.document.file}
        asked_keys = {key_of(url) for url in asked} | linked.again
        todo = {key: url for key, url in wanted.items() if key not in saved and (linked.fetch or key in asked_keys)}
        if linked.only_new:
            todo = {key: url for key, url in todo.items() if key not in self._rows}
        if linked.fetch and not linked.only_new:
            self._go_on_fetching(todo, asked_keys, linked.allow_private)
        elif todo:
            self._fetch(todo, todo, linked.allow_private)
        self._index([key for key in wanted if key not in saved])
        self._writer.flush()
        self._drop({key for key in wanted if key not in saved})
        return self._count(wanted, saved, todo)

    def failed(self, asked: list[str]) -> list[LinkedPage]:
        """Those of the pages asked for that gave no article."""
        rows = [self._rows[key] for url in asked if (key := key_of(url)) in self._rows]
        return [row for row in rows if row.state not in KEPT]

    def _count(self, wanted: dict[str, str], saved: set[str], todo: dict[str, str]) -> dict[str, int]:
        counts = Counter(dict.fromkeys(("fetched", "unchanged", "failed", "skipped"), 0))
        for key in wanted:
            row = self._rows.get(key)
            if key in saved:
                counts["unchanged"] += 1
            elif row is None or row.state in HELD_BACK or (key not in todo and row.state not in KEPT):
                counts["skipped"] += 1
            elif row.state in KEPT:
                counts["fetched" if row.state == "fetched" and key in todo else "unchanged"] += 1
            else:
                counts["failed"] += 1
        return {"found": len(wanted), **counts}

    # -- fetching ---------------------------------------------------------------------------------------------------

    def _go_on_fetching(self, todo: dict[str, str], asked: set[str], allow_private: frozenset[str]) -> None:
        """Fetch all there is, less what an interrupted run has fetched already and nobody asked for by its name."""
        since = self._store.get_state("fetching_since") or _now()
        self._store.set_state("fetching_since", since)
        left = {key: url for key, url in todo.items() if key in asked or not self._tried_since(key, since)}
        self._fetch(todo, left, allow_private)
        self._store.set_state("fetching_since", "")

    def _fetch(self, todo: dict[str, str], left: dict[str, str], allow_private: frozenset[str]) -> None:
        """Fetch those pages of `todo` that are left side by side, and index each as it comes."""
        from ingest.fetch import Fetcher

        done = len(todo) - len(left)
        with Fetcher(allow_private) as fetcher:
            for key, url, outcome in self._fetched(fetcher, left):
                self._take(key, url, outcome)
                done += 1
                self._progress("Fetching", len(todo), done, url)

    def _tried_since(self, key: str, since: str) -> bool:
        row = self._rows.get(key)
        return row is not None and row.checked_at >= since

    def _fetched(self, fetcher: "Fetcher", todo: dict[str, str]) -> Iterator[tuple[str, str, Any]]:
        """Each page of `todo` as it comes, or what came instead of it; only so many are held at once."""
        queue = iter(_interleaved(todo))
        running: dict[Future, tuple[str, str]] = {}
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="fetch") as pool:
            try:
                while True:
                    while len(running) < 2 * _THREADS and (item := next(queue, None)):
                        running[pool.submit(self._fetch_one, fetcher, *item)] = item
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield (*running.pop(future), future.result())
            except BaseException:
                fetcher.cancel()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _fetch_one(self, fetcher: "Fetcher", key: str, url: str) -> "Page | _Failure | None":
        # what is no longer here whole is asked for as if it were new
        return _fetch_one(fetcher, url, self._rows[key] if self._is_kept(key) else None)

    def _is_kept(self, key: str) -> bool:
        row = self._rows.get(key)
        page = self._pages.load(key) if row and row.digest else None
        return bool(row and page and page.digest == row.digest)

    def _take(self, key: str, url: str, outcome: "Page | _Failure | None") -> None:
        """Keep what came for a link: a page, nothing new, or a failure that leaves an earlier article as it is."""
        before = self._rows.get(key) or LinkedPage(key, url, NEVER_TRIED)
        row = replace(before, url=url, checked_at=_now(), reason="")
        if outcome is None:
            return self._record(replace(row, state="unchanged"))
        if isinstance(outcome, _Failure):
            return self._record(replace(row, state=outcome.state, reason=outcome.reason))
        row = replace(
            row,
            final_url=outcome.final_url,
            fetched_at=outcome.fetched_at,
            etag=outcome.etag,
            last_modified=outcome.last_modified,
            same_as=self._same_as(key, outcome),
        )
        if row.same_as:
            return self._record(replace(row, state="fetched", reason=f"leads to {outcome.final_url}"))
        if outcome.digest == before.digest and self._is_kept(key):
            return self._record(replace(row, state="unchanged"))
        return self._keep(row, before, outcome)

    def _keep(self, row: LinkedPage, before: LinkedPage, page: Page) -> None:
        try:
            reading = self._worker.read_page(page)
        except NoArticle as error:
            return self._record(replace(before, checked_at=row.checked_at, state=error.state, reason=error.reason))
        except Unreadable as error:
            return self._record(replace(before, checked_at=row.checked_at, state="wrong type", reason=str(error)))
        self._pages.save(row.key, page)
        self._record(replace(row, state="fetched", digest=page.digest))
        self._writer.add([make_document(reading, row.url, "", page.digest, self._store)])
        return None

    def _same_as(self, key: str, page: Page) -> str:
        """The key of the page that another link has led to before; empty where this is the first link to it."""
        final_key = key_of(page.final_url)
        for other in [self._rows[linked] for linked in self._wanted if linked in self._rows]:
            leads_there = page.final_url == other.final_url or final_key == other.key
            if other.key != key and other.digest and not other.same_as and leads_there:
                return other.key
        return ""

    def _record(self, row: LinkedPage) -> None:
        self._rows[row.key] = row
        self._store.put_page(row)

    # -- the index --------------------------------------------------------------------------------------------------

    def _index(self, wanted: list[str]) -> None:
        """Index the kept pages that are not yet in the index, as after a rebuild or when a link comes back."""
        self._writer.flush()
        indexed = {(listed.document.key, listed.document.digest) for listed in self._store.documents()}
        for key in wanted:
            row = self._rows.get(key)
            if row and (row.same_as or (key, row.digest) in indexed):
                continue
            page = self._pages.load(key)
            if page is None:
                if row and row.digest:
                    self._lose(row)
                continue
            try:
                reading = self._worker.read_page(page)
            except Unreadable as error:
                self._say(f"{page.url}: the page kept in pages/ {error}")
                continue
            if row is None or not row.digest:
                self._record(_row_of(key, page))
            self._writer.add([make_document(reading, page.url, "", page.digest, self._store)])

    def _lose(self, row: LinkedPage) -> None:
        """Say that an article cannot be indexed again, and have its page fetched as if it were new."""
        reason = "the page kept in pages/ is damaged or gone; `askmynotes ingest --links` fetches it again"
        self._say(f"{row.url}: {reason}")
        lost = replace(row, digest="", etag="", last_modified="")
        self._record(replace(lost, state=NEVER_TRIED, reason=reason) if row.state in KEPT else lost)

    def _drop(self, wanted: set[str]) -> None:
        """Remove the articles that no note leads to any more, whose pages are kept, and those that newer ones replace.

        A newer one has another source where the link was spelt otherwise since.
        """
        wanted = wanted | {row.same_as for key, row in self._rows.items() if key in wanted and row.same_as}
        articles = [listed.document for listed in self._store.documents() if not listed.document.file]
        newest = {key: row.digest for key, row in self._rows.items()}
        current = {article.key for article in articles if article.digest == newest.get(article.key)}
        for article in articles:
            is_replaced = article.key in current and article.digest != newest[article.key]
            if article.key not in wanted or is_replaced:
                self._store.remove(article.source)


@dataclass(frozen=True)
class _Failure:
    state: str
    reason: str


def _fetch_one(fetcher: "Fetcher", url: str, kept: LinkedPage | None) -> Page | _Failure | None:
    """The page that a link leads to, None where it is still the one that is kept, or why there is none."""
    from ingest.fetch import Cancelled, FetchFailed, NotModified
    from ingest.readers.web import meta_refresh

    failure = None
    for address in where_to_fetch(url):
        try:
            page = fetcher.fetch(
                address,
                etag=kept.etag if kept else "",
                last_modified=kept.last_modified if kept else "",
                refresh=meta_refresh,
            )
        except FetchFailed as error:
            failure = _Failure(error.state, error.reason)
            continue
        except Cancelled:
            raise
        except Exception as error:  # one page's oddity in any library ends no run
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            failure = _Failure("refused", f"the page could not be fetched ({reason[:200]})")
            continue
        return None if isinstance(page, NotModified) else replace(page, url=url)
    return failure


def _row_of(key: str, page: Page) -> LinkedPage:
    """What a kept page says of itself, where the catalogue was lost."""
    return LinkedPage(
        key,
        page.url,
        "fetched",
        checked_at=page.fetched_at,
        fetched_at=page.fetched_at,
        final_url=page.final_url,
        digest=page.digest,
        etag=page.etag,
        last_modified=page.last_modified,
    )


def _interleaved(todo: dict[str, str]) -> list[tuple[str, str]]:
    """Keys and addresses, one host after the other, so that a host with many pages keeps no other waiting."""
    by_host: dict[str, list[tuple[str, str]]] = {}
    for key, url in todo.items():
        by_host.setdefault(urlsplit(url).netloc, []).append((key, url))
    return [item for turn in zip_longest(*by_host.values()) for item in turn if item]


def _wanted(store: Store) -> dict[str, str]:
    """The pages that notes link to and those that were asked for, by key, in the order of the notes."""
    wanted: dict[str, str] = {}
    excluded = {key_of(source) for source in store.excluded() if "://" in source}
    for reference in store.references():
        if reference.key and reference.key not in excluded:
            wanted.setdefault(reference.key, _without_fragment(reference.url))
    for root in store.roots():
        if "://" in root:
            wanted.setdefault(key_of(root), _without_fragment(root))
    return wanted


def _without_fragment(url: str) -> str:
    """The address of the whole page; what begins with #! names a page of its own."""
    page, _, fragment = url.strip().partition("#")
    return url.strip() if fragment.startswith("!") else page


def _match_mirrored_files(store: Store, wanted: dict[str, str]) -> None:
    """Give saved pages that do not name their address the one that their path says, as wget lays them out."""
    for listed in store.documents():
        document = listed.document
        if (
            document.file
            and not document.key
            and PurePosixPath(document.file).suffix.lower() in (".html", ".htm", ".pdf")
        ):
            key = next((key for key in _keys_in_path(document.file) if key in wanted), None)
            if key:
                store.set_address(document.source, wanted[key], key)


def _keys_in_path(path: str) -> Iterator[str]:
    """The addresses that a path may stand for: …/example.org/a/index.html is example.org/a."""
    parts = unquote(path).split("/")
    for start, part in enumerate(parts[:-1]):
        if "." in part.strip("."):
            tail = parts[start:]
            yield key_of("http://" + "/".join(tail))
            stem = tail[-1].rpartition(".")[0]
            yield key_of("http://" + "/".join((*tail[:-1], "" if stem == "index" else stem)))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


# -- what is known of a link ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LinkState:
    """A link target with its state and every place in the notes where it stands."""

    url: str
    state: str
    reason: str
    references: tuple[Reference, ...]
    page: LinkedPage | None = None


def link_states(store: Store) -> list[LinkState]:
    """Every link of the notes, each target once, in the order of the notes; links without a target one by one."""
    pages = store.pages()
    documents = [listed.document for listed in store.documents()]
    saved = {document.key: document.source for document in documents if document.file and document.key}
    titles = {name for document in documents for name in (document.title.lower(), _stem(document.source).lower())}
    by_target: dict[object, list[Reference]] = {}
    for number, reference in enumerate(store.references()):
        by_target.setdefault(reference.key or reference.url or number, []).append(reference)
    states = []
    for found in by_target.values():
        first = found[0]
        page = pages.get(first.key) if first.key else None
        if first.key in saved:
            state, reason = "fetched", f"from the saved page {saved[first.key]}"
        elif page:
            state, reason = page.state, page.reason
        else:
            state, reason = _untried(first, titles)
        states.append(LinkState(first.url, state, reason, tuple(found), page))
    return states


def _untried(reference: Reference, titles: set[str]) -> tuple[str, str]:
    """State and reason of a link that was never fetched."""
    scheme, _, rest = reference.url.strip().partition(":")
    if reference.key:
        return NEVER_TRIED, "`askmynotes ingest --links` fetches it"
    if not reference.url.strip():
        return NEVER_TRIED, "the link is empty"
    if scheme.lower() in ("mailto", "tel", "sms", "data", "javascript") or reference.url.startswith("#"):
        return NEVER_TRIED, "leads to no page"
    if rest.startswith("/") or scheme.lower() in ("http", "https"):
        return "refused", _why_refused(reference.url)
    target = reference.url.strip("[]").partition("#")[0].partition("|")[0]
    known = _stem(unquote(target)).lower() in titles
    return NEVER_TRIED, "leads to another note" if known else "leads to a note that is not in the index"


def _why_refused(url: str) -> str:
    try:
        parse(url)
    except Refused as error:
        return str(error)
    return ""


def _stem(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return name.rpartition(".")[0] or name
