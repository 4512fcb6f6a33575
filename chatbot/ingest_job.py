"""Indexing from the page and the API: one job for the whole server, with its progress and its end."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from knowledge.errors import NotesError
from knowledge.settings import Settings
from knowledge.store import Store

if TYPE_CHECKING:
    from ingest.pipeline import Removed, Summary

#: Something that a job does with the store; returns what is told at its end.
_Work = Callable[[Store], str]


class _Stopped(Exception):
    """The job was asked to end."""


class IngestJob:
    """Indexes in the background; `line` says how far it is or how it ended, and `share` how much of what is under way
    is done, from 0 to 1, where that is known.

    Each method that begins something returns False where the job runs already.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._stage, self._stage_began = "", 0.0
        self.line = ""
        self.share: float | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def use(self, settings: Settings) -> None:
        """Take these settings the next time."""
        self._settings = settings

    @property
    def seconds_left(self) -> float | None:
        """How long what is under way takes yet, as fast as it has gone until now; None as long as nobody can tell."""
        passed = time.monotonic() - self._stage_began
        return passed / self.share - passed if self.share and passed > 3 else None

    def start(self, sources: Sequence[str] = (), links: bool = False) -> bool:
        """Begin to index files, folders and addresses, or what was indexed before; with `links` what the notes link to
        is fetched."""

        def work(store: Store) -> str:
            from ingest.pipeline import Linked, ingest

            linked = Linked(fetch=links)
            return _told(ingest(store, self._settings, list(sources), self._progress, linked=linked), links)

        return self._begin(work)

    def restore(self, removed: "Removed") -> bool:
        """Begin to bring back what was removed."""

        def work(store: Store) -> str:
            from ingest.pipeline import restore

            restore(store, self._settings, removed, self._progress)
            return f"Done: {removed.source} is back."

        return self._begin(work)

    def fetch_again(self, url: str) -> bool:
        """Begin to fetch a page once more."""

        def work(store: Store) -> str:
            from ingest.pipeline import fetch_again

            page = fetch_again(store, self._settings, url, self._progress)
            ended = f"{page.state} ({page.reason})" if page and page.reason else page.state if page else "not fetched"
            return f"Done: {url}: {ended}."

        return self._begin(work)

    def stop(self) -> None:
        """End as soon as what is under way is done; what is done is kept."""
        self._stop.set()
        if self.running:
            self.line = "Stopping …"

    def _begin(self, work: _Work) -> bool:
        with self._lock:
            if self.running:
                return False
            self._stop.clear()
            self.line, self.share, self._stage = "Looking at the notes …", None, ""
            self._thread = threading.Thread(target=self._run, args=(work,), daemon=True, name="ingest")
            self._thread.start()
            return True

    def _run(self, work: _Work) -> None:
        try:
            with closing(Store(self._settings)) as store:
                self.line = work(store)
        except _Stopped:
            self.line = "Stopped. What is done is kept; the next time it goes on from here."
        except NotesError as error:
            self.line = str(error)
        except Exception as error:  # nobody else would tell it
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.line = f"Stopped: something went wrong inside askmynotes ({reason}). What is done is kept."

    def _progress(self, stage: str, total: int, done: int, name: str) -> None:
        if self._stop.is_set():
            raise _Stopped
        if stage != self._stage:
            self._stage, self._stage_began = stage, time.monotonic()
        self.share = done / total if total else None
        self.line = f"{stage}: {done} of {total}: {name}" if stage == "Fetching" else f"{stage}: {name}"


def _told(summary: "Summary", with_links: bool) -> str:
    files = {name: getattr(summary, name) for name in ("added", "changed", "unchanged", "removed")}
    pages = {name: summary.links[name] for name in ("fetched", "unchanged", "failed")}
    pages["not fetched"] = summary.links["skipped"]
    counts = pages if with_links else {**files, "page fetched": pages["fetched"], "left out": summary.skipped}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "there was nothing to do"
    return f"Done: {'; '.join((told, *summary.failures[:1]))}."


def linked_pages(store: Store) -> str:
    """How many pages the notes link to, and how many of them are kept."""
    from ingest.links import HELD_BACK, KEPT, link_states

    states = Counter(link.state for link in link_states(store) if any(place.key for place in link.references))
    kept = sum(count for state, count in states.items() if state in KEPT)
    failed = sum(count for state, count in states.items() if state not in KEPT | HELD_BACK)
    pages = "1 page" if states.total() == 1 else f"{states.total()} pages"
    return f"Your notes link to {pages}. Kept here: {kept}. Could not be had: {failed}."
