"""Indexing from the page and the API: one job for the whole server, with its progress and its end."""

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from knowledge.errors import NotesError
from knowledge.settings import Settings
from knowledge.store import Store

if TYPE_CHECKING:
    from ingest.pipeline import Summary


class _Stopped(Exception):
    """The job was asked to end."""


class IngestJob:
    """Indexes in the background; `line` says how far it is or how it ended."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.line = ""

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, sources: Sequence[str] = (), links: bool = False) -> bool:
        """Begin to index files, folders and addresses, or what was indexed before; with `links` what the notes link to
        is fetched. False where it runs already."""
        with self._lock:
            if self.running:
                return False
            self._stop.clear()
            self.line = "Looking at the notes …"
            self._thread = threading.Thread(target=self._run, args=(sources, links), daemon=True, name="ingest")
            self._thread.start()
            return True

    def stop(self) -> None:
        """End as soon as what is under way is done; what is done is kept."""
        self._stop.set()
        if self.running:
            self.line = "Stopping …"

    def _run(self, sources: Sequence[str], links: bool) -> None:
        from ingest.pipeline import Linked, ingest

        try:
            with closing(Store(self._settings)) as store:
                summary = ingest(store, self._settings, list(sources), self._progress, linked=Linked(fetch=links))
            self.line = _told(summary, links)
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
        self.line = f"{stage}: {done} of {total}: {name}" if stage == "Fetching" else f"{stage}: {name}"


def _told(summary: "Summary", with_links: bool) -> str:
    told = [
        f"{summary.added} added, {summary.changed} changed, {summary.unchanged} unchanged, {summary.removed} removed",
        *summary.failures[:1],
    ]
    if with_links:
        links = summary.links
        told = [
            f"{links['fetched']} fetched, {links['unchanged']} unchanged, {links['failed']} failed, "
            f"{links['skipped']} not fetched"
        ]
    return f"Done: {'; '.join(told)}."


def linked_pages(store: Store) -> str:
    """How many pages the notes link to, and how many of them are kept."""
    from ingest.links import HELD_BACK, KEPT, link_states

    states = Counter(link.state for link in link_states(store) if any(place.key for place in link.references))
    kept = sum(count for state, count in states.items() if state in KEPT)
    failed = sum(count for state, count in states.items() if state not in KEPT | HELD_BACK)
    pages = "1 page" if states.total() == 1 else f"{states.total()} pages"
    return f"Your notes link to {pages}. Kept here: {kept}. Could not be had: {failed}."
