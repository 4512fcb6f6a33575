"""What is in the index, what is not and why, and what is amiss: all that `askmynotes sources` prints."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

import click

from knowledge.documents import LinkedPage, Listed, SourceFile
from knowledge.store import Store

#: An article fetched longer ago is called stale.
_STALE_AFTER = timedelta(days=180)
#: How many of a kind are named before the rest is only counted.
_NAMED = 10


@dataclass(frozen=True)
class Entry:
    """One source: a document, a file that gave none, or something that was left out."""

    source: str
    state: str
    chunks: int = 0
    date: str = ""
    kind: str = ""
    title: str = ""
    author: str = ""
    published: str = ""
    url: str | None = None
    problem: str = ""


@dataclass(frozen=True)
class Ailment:
    """Something amiss in the index: what it is, and each case of it."""

    name: str
    cases: tuple[str, ...]


def entries(store: Store) -> Iterator[Entry]:
    """Every source with its state, the indexed ones first."""
    files = {file.path: file for file in store.files()}
    pages = store.pages()
    documents = store.documents()
    for listed in documents:
        yield _of_document(listed, files.get(listed.document.file), pages.get(listed.document.key))
    full = {listed.document.file for listed in documents}
    for file in files.values():
        if file.path not in full:
            yield Entry(file.path, "failed" if file.failed else "no text", problem=file.problem)
    for path, reason in store.left_out():
        if path not in files:
            yield Entry(path, "left out", problem=reason)


def _of_document(listed: Listed, file: SourceFile | None, page: LinkedPage | None) -> Entry:
    document = listed.document
    state, problem, date = "indexed", document.problem, listed.indexed_at
    if file and file.failed:
        state, problem = "kept", f"the file {file.problem}; what was indexed of it before is kept"
    elif page and not document.file:
        state, problem, date = page.state, page.reason, page.fetched_at or date
    elif problem:
        state = "in part"
    return Entry(
        document.source,
        state,
        listed.chunks,
        date,
        document.kind,
        document.title,
        document.author,
        document.published,
        document.url,
        problem,
    )


def ailments(store: Store) -> list[Ailment]:
    """What a person may want to mend; kinds without a case are left out."""
    from ingest.links import HELD_BACK, KEPT, link_states

    files = store.files()
    links = link_states(store)
    stale = (datetime.now(UTC) - _STALE_AFTER).isoformat()
    found = (
        ("files that could not be read", (f"{file.path}: {file.problem}" for file in files if file.failed)),
        ("empty files", (file.path for file in files if not file.failed and not file.size)),
        (
            "files without text, or read in part",
            (f"{file.path}: {file.problem}" for file in files if not file.failed and file.size and file.problem),
        ),
        (
            "links that gave no article",
            (
                f"{link.url}: {link.state}" + (f" ({link.reason})" if link.reason else "") + _standing(link.references)
                for link in links
                if link.state not in KEPT | HELD_BACK
            ),
        ),
        ("empty links", (_standing(link.references).strip() for link in links if not link.url.strip())),
        (
            "articles that may be out of date",
            (
                f"{link.url}: fetched on {link.page.fetched_at[:10]}"
                for link in links
                if link.page and "" < link.page.fetched_at < stale
            ),
        ),
        (
            "passages longer than the encoder reads, the end of which is found by its words alone",
            (chunk.location(chunk.lines) for chunk in store.overlong()),
        ),
    )
    return [Ailment(name, listed) for name, cases in found if (listed := tuple(cases))]


def _standing(references: Iterable) -> str:
    return "".join(f"  {reference.source}:{reference.line}" for reference in references)


def listing(store: Store, as_json: bool) -> None:
    """Print it all; as JSON, an object for each source and a last one of the index's health."""
    found = list(entries(store))
    ill = ailments(store)
    if as_json:
        for entry in found:
            click.echo(json.dumps(asdict(entry), ensure_ascii=False))
        click.echo(json.dumps({"health": {ailment.name: ailment.cases for ailment in ill}}, ensure_ascii=False))
        return
    for root in store.roots():
        click.secho(root, bold=True)
    for entry in found:
        if entry.state != "left out":
            click.echo(_line(entry))
    _print_left_out([entry for entry in found if entry.state == "left out"])
    for ailment in ill:
        click.secho(f"\n{len(ailment.cases)} {ailment.name}", bold=True)
        _print_some(ailment.cases)
    if not found:
        click.echo("Nothing is indexed yet: run `askmynotes ingest PATH`.")


def _line(entry: Entry) -> str:
    passages = "passage " if entry.chunks == 1 else "passages"
    problem = f"  {entry.state}: {entry.problem}" if entry.problem else f"  {entry.state}"
    return f"{entry.chunks:6d} {passages}  {entry.date[:19]:19}  {entry.source}{problem}"


def _print_left_out(left_out: list[Entry]) -> None:
    by_reason = sorted(left_out, key=lambda entry: entry.problem)
    for reason, group in groupby(by_reason, key=lambda entry: entry.problem):
        paths = [entry.source for entry in group]
        click.secho(f"\n{len(paths)} left out: {reason}", bold=True)
        _print_some(paths)


def _print_some(lines: "list[str] | tuple[str, ...]") -> None:
    for line in lines[:_NAMED]:
        click.echo(f"    {line}")
    if len(lines) > _NAMED:
        click.echo(f"    and {len(lines) - _NAMED} more (--json lists all)")
