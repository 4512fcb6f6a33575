"""The tab "Library" as HTML. Names, titles, addresses and headings are as hostile as notes are (`render`)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from chatbot.ingest_job import IngestJob
from chatbot.page import markdown, texts
from chatbot.page.render import short_path
from chatbot.page.topics import map_html
from chatbot.sources import Entry
from knowledge.store import Store

if TYPE_CHECKING:
    from ingest.links import LinkState
    from ingest.pipeline import Removed

#: Rows of a list that are sent to the browser.
_ROWS = 200
_PLACES = 3  # of a link that stands in many notes
_MAP_POINTS = 2000
_COLUMNS = 40  # of the chart of dates
_GOOD = ("indexed", "fetched", "unchanged")


def drop_html(max_megabytes: int) -> str:
    """Where files are dropped or chosen; drop.js sends them."""
    from ingest.read import FORMATS

    kinds = ",".join(FORMATS)
    choices = (
        f'<label>{texts.CHOOSE_FILES}<input type="file" multiple accept="{kinds}"></label>'
        f'<label>{texts.CHOOSE_FOLDER}<input type="file" webkitdirectory></label>'
    )
    return (
        f'<div class="drop" data-kinds="{kinds}" data-largest="{max_megabytes * 2**20}"><p>{texts.DROP}</p>'
        f'<div>{choices}</div><p role="status"></p></div>'
    )


def progress_html(job: IngestJob) -> str:
    """How far the ingest is, or how the last one ended."""
    if not job.running:
        return f'<p role="status">{escape(job.line)}</p>' if job.line else ""
    left = f" ({texts.time_left(job.seconds_left)})" if job.seconds_left else ""
    share = "" if job.share is None else f' value="{job.share:.3f}"'
    return f'<p>{escape(job.line)}{left}</p><progress aria-label="{texts.UPDATE}"{share}></progress>'


def refused_html(kept: int, refused: Iterable[Sequence[str]]) -> str:
    """What became of dropped files."""
    listed = "".join(
        f"<li>{escape(str(name))}: {texts.REFUSALS.get(reason, texts.REFUSALS['failed'])}</li>"
        for name, reason in refused
    )
    return f"<p>{texts.plural(kept, 'file')} taken.</p>" + (f"<ul>{listed}</ul>" if listed else "")


def removed_html(removed: "Removed") -> str:
    told = texts.removed(short_path(removed.source), removed.documents)
    return f'<p>{escape(told)} <button data-do="undo">{texts.UNDO}</button></p>'


# -- sources -------------------------------------------------------------------------------------------------------


def sources_html(entries: Iterable[Entry], roots: Sequence[str], containing: str, shown: str) -> str:
    """The sources whose names, states or problems hold all words of `containing`, as many as can be shown."""
    words = containing.lower().split()
    fitting = [entry for entry in entries if _is_shown(entry, shown) and all(word in _words(entry) for word in words)]
    rows = "".join(map(_entry_html, fitting[:_ROWS]))
    rest = f"<p>{texts.more(len(fitting) - _ROWS)}</p>" if len(fitting) > _ROWS else ""
    followed = "" if words or shown else _roots_html(roots)
    return followed + (f"<ul>{rows}</ul>{rest}" if rows else f'<p class="empty">{texts.NOTHING_FITS}</p>')


def _is_shown(entry: Entry, shown: str) -> bool:
    if shown == "problem":
        return bool(entry.problem) and entry.state != "left out"
    return not shown or (shown == "left out") == (entry.state == "left out")


def _words(entry: Entry) -> str:
    return f"{entry.source} {entry.title} {entry.state} {entry.problem} {entry.kind}".lower()


def _roots_html(roots: Sequence[str]) -> str:
    listed = "".join(f"<li><span>{escape(short_path(root))}</span>{_remove_html(root)}</li>" for root in roots)
    return f'<h3>{texts.FOLLOWED}</h3><ul class="roots">{listed}</ul>' if roots else ""


def _entry_html(entry: Entry) -> str:
    place = short_path(entry.source)
    name = markdown.link(entry.title or entry.source, entry.url) if entry.url else escape(entry.title or place)
    facts = [texts.plural(entry.chunks, "passage")] if entry.chunks else []
    facts += [_day(entry.date)] if entry.date else []
    state = f'<span class="state{"" if entry.state in _GOOD else " amiss"}">{escape(entry.state)}</span>'
    again = _button_html("retry", entry.source, texts.FETCH_AGAIN) if entry.source == entry.url else ""
    return (
        f'<li><div><span class="name" dir="auto">{name}</span> {state}<div class="place">{escape(place)}</div>'
        f'<div class="facts">{" · ".join(facts)}</div>'
        + (f'<div class="problem">{escape(entry.problem)}</div>' if entry.problem else "")
        + f"</div>{again}{_remove_html(entry.source) if entry.state != 'left out' else ''}</li>"
    )


def _remove_html(source: str) -> str:
    return _button_html("delete", source, texts.REMOVE)


def _button_html(action: str, value: str, label: str) -> str:
    held = escape(value)
    return f'<button data-do="{action}" data-id="{held}" aria-label="{label}: {held}">{label}</button>'


def _day(date: str) -> str:
    """A moment (UTC) as the day that it was here."""
    moment = datetime.fromisoformat(date)
    day = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone()
    return f"{day.day} {day:%B %Y}"


# -- links ---------------------------------------------------------------------------------------------------------


def link_choices(states: "Iterable[LinkState]") -> list[tuple[str, str]]:
    """The states of links to choose from, with how many there are, and what stands for each."""
    counts = Counter(link.state for link in states)
    return [(f"all ({counts.total()})", ""), *((f"{state} ({count})", state) for state, count in counts.most_common())]


def links_html(states: "Iterable[LinkState]", state: str) -> str:
    """The links of the notes in a state, or in any, each with the places where it stands."""
    fitting = [link for link in states if state in ("", link.state)]
    rows = "".join(map(_link_html, fitting[:_ROWS]))
    rest = f"<p>{texts.more(len(fitting) - _ROWS)}</p>" if len(fitting) > _ROWS else ""
    return f"<ul>{rows}</ul>{rest}" if rows else f'<p class="empty">{texts.NO_LINKS}</p>'


def _link_html(link: "LinkState") -> str:
    first = link.references[0]
    reason = "" if link.state == "never tried" and first.key else link.reason  # it names a command; here is a button
    places = [f"{short_path(each.source)}, line {each.line}: {each.heading}" for each in link.references[:_PLACES]]
    places += [f"and {len(link.references) - _PLACES} more"] if len(link.references) > _PLACES else []
    fetch = _button_html("retry", link.url, texts.FETCH_LINK) if first.key else ""
    return (
        f'<li><div><span class="name" dir="auto">{markdown.link(first.text or link.url, link.url)}</span> '
        f'<span class="state">{escape(link.state)}</span><div class="place">{escape(link.url)}</div>'
        + (f'<div class="problem">{escape(reason)}</div>' if reason else "")
        + "".join(f'<div class="facts">{escape(place)}</div>' for place in places)
        + f"</div>{fetch}</li>"
    )


# -- the picture ---------------------------------------------------------------------------------------------------


def picture_html(store: Store, entries: Iterable[Entry]) -> str:
    """What the library holds: the map of the topics, the kinds of the sources and their dates."""
    kinds: Counter[str] = Counter()
    for entry in entries:
        kinds[_kind(entry)] += entry.chunks
    drawn = map_html(*store.sections(_MAP_POINTS))
    map_ = f"<figure><figcaption>{texts.MAP}</figcaption>{drawn}</figure>" if drawn else ""
    charts = _rows_html(dict(kinds.most_common())) + _columns_html(by_period(store.chunks_by_day()))
    return f'{map_}<div class="charts">{charts}</div>'


def _kind(entry: Entry) -> str:
    from ingest.read import format_of

    format = "" if entry.source == entry.url else format_of(entry.source.partition("#")[0]) or ""
    return f"{entry.kind}s ({format})" if format else texts.FROM_WEB


def _rows_html(counts: Mapping[str, int]) -> str:
    most = max(counts.values(), default=0)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td><progress max="{most}" value="{count}" aria-hidden="true">'
        f"</progress></td><td>{count:,}</td></tr>"
        for name, count in counts.items()
        if count
    )
    return f"<figure><figcaption>{texts.BY_KIND}</figcaption><table>{rows}</table></figure>" if rows else ""


def by_period(days: Mapping[str, int]) -> dict[str, int]:
    """Counts by day summed by month, or by year where the months would be too many; with the periods between them,
    where these are not too many themselves."""
    if not days:
        return {}
    months = [f"{year:04}-{month:02}" for year in range(*_years(days)) for month in range(1, 13)]
    months = months[months.index(min(days)[:7]) : months.index(max(days)[:7]) + 1]
    length = 7 if len(months) <= _COLUMNS else 4
    periods = dict.fromkeys((month[:length] for month in months), 0)
    for period, group in groupby(sorted(days), key=lambda day: day[:length]):
        periods[period] = sum(days[day] for day in group)
    return periods if len(periods) <= _COLUMNS else {period: count for period, count in periods.items() if count}


def _years(days: Iterable[str]) -> tuple[int, int]:
    years = [int(day[:4]) for day in days]
    return min(years), max(years) + 1


def _columns_html(counts: Mapping[str, int]) -> str:
    if not counts:
        return ""
    most, names = max(counts.values()), list(counts)
    columns = "".join(
        f'<rect x="{10 * number + 1}" y="{80 - 80 * count / most:.1f}" width="8" height="{80 * count / most:.1f}">'
        f"<title>{name}: {texts.plural(count, 'passage')}</title></rect>"
        for number, (name, count) in enumerate(counts.items())
    )
    told = "; ".join(f"{name}: {count}" for name, count in counts.items() if count)
    ends = f"<span>{names[0]}</span>" + (f"<span>{names[-1]}</span>" if len(names) > 1 else "")
    return (
        f"<figure><figcaption>{texts.BY_DAY}</figcaption>"
        f'<svg viewBox="0 0 {10 * len(names)} 80" width="{24 * len(names)}" '
        f'preserveAspectRatio="none" role="img" '
        f'aria-label="{texts.BY_DAY}: {told}">{columns}</svg><p class="ends">{ends}</p></figure>'
    )
