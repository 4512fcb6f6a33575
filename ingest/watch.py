"""Follow changes to files as they are made."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ingest.pipeline import Linked, Summary, ingest, is_away
from knowledge.errors import NotesError
from knowledge.settings import Settings
from knowledge.store import Store

#: Milliseconds of quiet after which a burst of changes counts as over, and in which it is taken up at the latest.
_QUIET_MS = 400
_LATEST_MS = 3000
#: Milliseconds after which it is looked whether what is watched is still the same.
_LOOK_MS = 1000


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
    roots = _paths(sources) or [Path(root) for root in store.roots() if "://" not in root]
    if not any(map(os.path.exists, roots)):
        raise NotesError("there is no file or folder to watch: give one")
    say(f"Watching {', '.join(map(str, roots))}. Ctrl-C ends it.")
    linked = replace(linked, only_new=True)
    before = set(filter(os.path.exists, roots))
    disks: set[Path] = set()
    late = False
    for changed in _ticks(roots, settings.home):
        if not (changed or late):
            continue
        there = {root for root in roots if os.path.exists(root)}
        mounted = set(filter(os.path.ismount, roots))
        disks |= mounted
        # what has just been deleted leaves the index; what is on a disk that was taken away, or is one, stays
        paths = sorted((there | {root for root in before if not is_away(root)}) - (disks - mounted))
        try:
            summary = ingest(store, settings, paths, linked=linked, say=say) if paths else Summary()
        except NotesError as error:  # such as an index that another run holds: it is tried again
            if not late:
                say(str(error))
            late = True
            continue
        before, late = there, False
        if summary.added or summary.changed or summary.removed or summary.failed:
            done(summary)


def _paths(sources: Iterable[Path | str]) -> list[Path]:
    return [Path(os.path.abspath(Path(source).expanduser())) for source in sources if "://" not in str(source)]


def _ticks(roots: list[Path], home: Path) -> Iterator[bool]:
    """Every second, whether something may have changed; so it may when watching begins, since nobody watched before.

    It begins anew where a folder has been put in the place of the one that was watched.
    """
    from watchfiles import watch as changes_in

    while True:
        begun = False
        try:
            folders, files = _folders(roots), _files(roots)
            for changes in changes_in(
                *folders,
                watch_filter=lambda change, path: _concerns(Path(path), roots, home),
                debounce=_LATEST_MS,
                step=_QUIET_MS,
                rust_timeout=_LOOK_MS,
                yield_on_timeout=True,
                raise_interrupt=True,
                ignore_permission_denied=True,
            ):
                before, files = files, _files(roots)
                yield bool(changes) or files != before or not begun
                begun = True
                if _folders(roots) != folders or any(Path(path) in folders for _, path in changes):
                    break
        except FileNotFoundError:  # gone since it was looked for
            time.sleep(_LOOK_MS / 1000)
        except OSError as error:
            raise NotesError(f"changes cannot be followed ({error}): run `askmynotes ingest` after them") from error


def _folders(roots: list[Path]) -> dict[Path, int]:
    """The folders that are watched, with what tells each from another in its place."""
    return {root: root.stat().st_ino for root in sorted(roots) if root.is_dir()}


def _files(roots: list[Path]) -> dict[Path, tuple[int, int, int]]:
    """The files that are looked at every second, with what tells a change: their folders are none of ours to watch."""
    stats = {root: root.stat() for root in roots if root.is_file()}
    return {root: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for root, stat in stats.items()}


def _concerns(path: Path, roots: list[Path], home: Path) -> bool:
    """Whether a change is one to what is watched, and not to the index itself, should it lie inside."""
    return not path.is_relative_to(home) and any(path.is_relative_to(root) for root in roots)
