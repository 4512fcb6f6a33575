"""Fetching linked articles from the page: one job for the whole server, with its progress and its end."""

import threading
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from knowledge.errors import NotesError
from knowledge.settings import Settings
from knowledge.store import Store

if TYPE_CHECKING:
    from ingest.pipeline import Summary


class _Stopped(Exception):
    """The job was asked to end."""


class FetchJob:
    """Fetches what the notes link to, in the background; `line` says how far it is or how it ended."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.line = ""

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin, unless it runs already."""
        with self._lock:
            if not self.running:
                self._stop.clear()
                self.line = "Looking at the notes …"
                self._thread = threading.Thread(target=self._run, daemon=True, name="fetch-articles")
                self._thread.start()

    def stop(self) -> None:
        """End as soon as the pages under way are done; what is done is kept."""
        self._stop.set()
        if self.running:
            self.line = "Stopping …"

    def _run(self) -> None:
        from ingest.pipeline import Linked, ingest

        try:
            with closing(Store(self._settings)) as store:
                summary = ingest(store, self._settings, [], self._progress, linked=Linked(fetch=True))
            self.line = _told(summary)
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
        if stage == "Fetching":
            self.line = f"{done} of {total}: {name}"


def _told(summary: "Summary") -> str:
    links = summary.links
    return (
        f"Done: {links['fetched']} fetched, {links['unchanged']} unchanged, {links['failed']} failed, "
        f"{links['skipped']} not fetched."
    )


def linked_pages(store: Store) -> str:
    """How many pages the notes link to, and how many of them are kept."""
    from ingest.links import HELD_BACK, KEPT, link_states

    states = Counter(link.state for link in link_states(store) if any(place.key for place in link.references))
    kept = sum(count for state, count in states.items() if state in KEPT)
    failed = sum(count for state, count in states.items() if state not in KEPT | HELD_BACK)
    pages = "1 page" if states.total() == 1 else f"{states.total()} pages"
    return f"Your notes link to {pages}. Kept here: {kept}. Could not be had: {failed}."
