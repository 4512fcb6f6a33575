"""An evaluation as one HTML file that needs nothing else: no scripts, no fonts, nothing from elsewhere."""

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chatbot.evaluate import DEPTH, FAILURES, Measure, Question, Result, observed_measures, summarise
from knowledge.errors import NotesError
from knowledge.scores import fact_pattern

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

#: How many of the nearest passages stand beside a failure.
_NEAREST = 5
#: Upper ends of the bars of the latency histogram, in milliseconds.
_TIMES = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
# geometry of a chart: heights in pixels, so that text keeps its size; widths in per cent, so that it fits any screen
_BAR, _GAP, _LABELS, _WIDEST = 14, 12, 40, 42


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: of which run, its value as text, where it stands in pixels and how wide it is in per cent."""

    run: int
    text: str
    y: int
    width: float


@dataclass(frozen=True)
class Chart:
    """Horizontal bars in groups; `labels` are (text, y)."""

    title: str
    labels: tuple[tuple[str, int], ...]
    bars: tuple[Bar, ...]
    height: int
    left: int = _LABELS
    thickness: int = _BAR - 2


def check_place(path: Path) -> None:
    """Raises NotesError where no file can be written at `path`."""
    if not path.parent.is_dir():
        raise NotesError(f"{path.parent} is not a folder: make it first, or name another place for the report")
    if path.is_dir():
        raise NotesError(f"{path} is a folder: name a file for the report, such as {path / 'report.html'}")


def write(path: Path, outcomes: Mapping[str, Sequence[Result]]) -> None:
    """Write the report on the results of each run, by its name: all of it or nothing. Raises NotesError where it cannot
    be written."""
    check_place(path)
    partial = ""
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as file:
            partial = file.name
            file.write(render(outcomes))
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except OSError as error:
        raise NotesError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        if partial:
            Path(partial).unlink(missing_ok=True)


def render(outcomes: Mapping[str, Sequence[Result]]) -> str:
    """The page. Every word that comes from notes, questions and models is escaped by the template."""
    summaries = {name: summarise(outcome) for name, outcome in outcomes.items()}
    page = _template().render(
        outcomes=outcomes,
        summaries=summaries,
        measures=observed_measures(summaries),
        charts=[_shares(summaries), _ranks(outcomes), _latencies(outcomes)],
        failures={name: _by_kind(outcome) for name, outcome in outcomes.items()},
        nearest=_nearest,
        marked=_marked,
    )
    return page.encode("utf-8", "replace").decode("utf-8")  # lone surrogates, which no file can hold


def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    source = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        source
    )


# -- failures ------------------------------------------------------------------------------------------------------


def _by_kind(outcome: Iterable[Result]) -> dict[str, list[Result]]:
    """The questions that failed, each under its gravest failure."""
    kinds: dict[str, list[Result]] = {name: [] for _, _, name in FAILURES}
    for result in outcome:
        if result.failures:
            kinds[result.failures[0]].append(result)
    return {name: failed for name, failed in kinds.items() if failed}


def _nearest(result: Result) -> list[tuple[int, object]]:
    """The best sections with their ranks, and the wanted one where it stands further down."""
    ranked = list(enumerate(result.found, start=1))
    beyond = [ranked[result.rank - 1]] if result.rank and result.rank > _NEAREST else []
    return [*ranked[:_NEAREST], *beyond]


def _marked(text: str, question: Question) -> "Markup":
    """A text with the wanted facts and the given answers marked, the rest escaped."""
    from markupsafe import Markup, escape

    pieces = []
    position = 0
    for start, end in _spans(text, (*question.must, *question.answers)):
        pieces += [escape(text[position:start]), Markup("<mark>{}</mark>").format(text[start:end])]
        position = end
    return Markup("").join((*pieces, escape(text[position:])))


def _spans(text: str, facts: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where facts stand, in order; what overlaps is one."""
    found = sorted(match.span() for fact in facts for match in re.finditer(fact_pattern(fact), text))
    end = 0
    for first, last in found:
        if last > end:
            yield max(first, end), last
            end = last


# -- charts --------------------------------------------------------------------------------------------------------


def _shares(summaries: Mapping[str, Mapping[str, float | None]]) -> Chart:
    def of_one(measure: Measure, value: float | None) -> float | None:
        return value and (value / 100 if measure.name in ("exact_match", "f1") else value)

    groups = {
        measure.label: [
            (measure.show(summary[measure.name]), of_one(measure, summary[measure.name]))
            for summary in summaries.values()
        ]
        for measure in observed_measures(summaries)
        if "_ms_" not in measure.name
    }
    return _chart("Shares", groups, most=1)


def _ranks(outcomes: Mapping[str, Sequence[Result]]) -> Chart:
    def place(result: Result) -> str:
        if result.rank is None:
            return "not found"
        return str(result.rank) if result.rank <= DEPTH else f"after {DEPTH}"

    named = {name: [each for each in outcome if each.question.has_place] for name, outcome in outcomes.items()}
    places = [*map(str, range(1, DEPTH + 1)), f"after {DEPTH}", "not found"]
    return _histogram("Rank of the wanted passage", places, named, place)


def _latencies(outcomes: Mapping[str, Sequence[Result]]) -> Chart:
    labels = [f"to {most:,} ms" for most in _TIMES] + [f"over {_TIMES[-1]:,} ms"]

    def interval(result: Result) -> str:
        total = result.answer.timings_ms["total"]
        return next((label for label, most in zip(labels, _TIMES, strict=False) if total <= most), labels[-1])

    return _histogram("Time to the whole answer", labels, outcomes, interval)


def _histogram(
    title: str, labels: Sequence[str], outcomes: Mapping[str, Sequence[Result]], label_of: Callable[[Result], str]
) -> Chart:
    """Questions counted by their label, from the first label that occurs to the last."""
    counts = [[list(map(label_of, outcome)).count(label) for outcome in outcomes.values()] for label in labels]
    occurring = [index for index, row in enumerate(counts) if any(row)]
    kept = range(occurring[0], occurring[-1] + 1) if occurring else range(0)
    groups = {labels[index]: [(str(count), float(count)) for count in counts[index]] for index in kept}
    return _chart(title, groups, most=max((count for row in counts for count in row), default=1))


def _chart(title: str, groups: Mapping[str, Sequence[tuple[str, float | None]]], most: float) -> Chart:
    """A group for each label, in it a bar for each run: its text and its value, `most` at the widest."""
    labels, bars = [], []
    y = 0
    for label, values in groups.items():
        labels.append((label, y))
        for run, (text, value) in enumerate(values):
            bars.append(Bar(run, text, y + run * _BAR, round(_WIDEST * (value or 0) / most, 2)))
        y += len(values) * _BAR + _GAP
    return Chart(title, tuple(labels), tuple(bars), y)
