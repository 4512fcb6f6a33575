"""Follow changes to files as they are made."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ingest.pipeline import Linked, Summary, ingest
from knowledge.errors import NotesError
from knowledge.settings import Settings
from knowledge.store import Store

#: Milliseconds of quiet after which a burst of changes counts as over, and in which it is taken up at the latest.
_QUIET_MS = 400
_LATEST_MS = 3000


def watch(
    store: Store,
    settings: Settings,
    sources: Iterable[Path | str],
    linked: Linked,
    done: Callable[[Summary], None],
    say: Callable[[str], None],
) -> None:
    """Bring the index in step again after every change to `sources`, until interrupted (KeyboardInterrupt).

    Without sources, everything that was ingested before is followed. `done` gets the summary of each ingest that
    found something. Pages that notes link to are fetched once, as their links appear.
    """
    from watchfiles import watch as changes_in

    roots = _paths(sources) or [Path(root) for root in store.roots() if "://" not in root]
    folders = _folders(roots)
    if not folders:
        raise NotesError("there is no file or folder to watch: give one")
    say(f"Watching {', '.join(map(str, roots))}. Ctrl-C ends it.")
    linked = replace(linked, only_new=True)
    changes = changes_in(
        *folders,
        watch_filter=lambda change, path: _concerns(Path(path), roots, settings.home),
        debounce=_LATEST_MS,
        step=_QUIET_MS,
        raise_interrupt=True,
    )
    for _ in changes:
        try:
            summary = ingest(store, settings, roots, linked=linked, say=say)
        except NotesError as error:  # such as a file that another run holds: the next change tries again
            say(str(error))
            continue
        if summary.added or summary.changed or summary.removed or summary.failed:
            done(summary)


def _paths(sources: Iterable[Path | str]) -> list[Path]:
    return [Path(os.path.abspath(Path(source).expanduser())) for source in sources if "://" not in str(source)]


def _folders(roots: list[Path]) -> list[Path]:
    """What is watched: for a file its folder, since editors put a new file in the place of the old one."""
    folders = {root if root.is_dir() else root.parent for root in roots}
    return sorted(folder for folder in folders if folder.exists())


def _concerns(path: Path, roots: list[Path], home: Path) -> bool:
    """Whether a change is one to what is watched, and not to the index itself, should it lie inside."""
    return not path.is_relative_to(home) and any(path.is_relative_to(root) for root in roots)
