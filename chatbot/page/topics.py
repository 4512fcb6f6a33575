"""The map of the topics: every section a point, near those that are about the same."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chatbot.page.render import short_path
from chatbot.page.texts import MAP_NAME, OTHERS
from knowledge.documents import Chunk

if TYPE_CHECKING:
    import numpy as np

_WIDTH, _HEIGHT, _MARGIN = 720, 440, 14
#: Groups that have a colour of their own (page.css); the rest share one.
_COLOURS = 7
_LABELS = 14
_LONGEST = 300  # letters of a heading
_LETTERS, _LETTER_WIDTH, _LINE = 26, 7, 19  # of a label


def map_html(chunks: Sequence[Chunk], vectors: "np.ndarray") -> str:
    """The map of sections, by their first chunks and embeddings, with its legend; nothing for fewer than three."""
    if len(chunks) < 3:
        return ""
    places = [(round(x * _WIDTH), round(y * _HEIGHT)) for x, y in positions(vectors).tolist()]
    colours, legend = _coloured(groups(chunks))
    order = sorted(range(len(chunks)), key=lambda number: places[number])  # so that arrow keys go from left to right
    points = "".join(_point_html(chunks[number], places[number], colours[number]) for number in order)
    first = points.replace('tabindex="-1"', 'tabindex="0"', 1)
    labels = _labels_html([(chunk.heading_path[-1], place) for chunk, place in zip(chunks, places, strict=True)])
    box = f"{-_MARGIN} {-_MARGIN} {_WIDTH + 2 * _MARGIN} {_HEIGHT + 2 * _MARGIN}"
    svg = f'<svg viewBox="{box}" role="group" aria-label="{MAP_NAME}">{first}{labels}</svg>'
    named = "".join(f'<li><span class="dot g{number}"></span>{escape(name)}</li>' for number, name in enumerate(legend))
    return (
        f'<div class="map">{svg}<p class="pointed" aria-hidden="true">&nbsp;</p><ul class="legend">{named}</ul></div>'
    )


def positions(vectors: "np.ndarray") -> "np.ndarray":
    """Places in the unit square, of shape (number, 2): the first two principal components of the vectors. Far outliers
    are moved to the edge, so that the others do not crowd in the middle."""
    import numpy as np

    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)  # by growing variance
    axes = directions[:, :-3:-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), (0, 1)])  # else one index may be drawn in four ways
    placed = centred @ axes
    low, high = np.percentile(placed, (1, 99), axis=0)
    return np.clip((placed - low) / np.where(high > low, high - low, 1), 0, 1)


def groups(chunks: Sequence[Chunk]) -> list[str]:
    """What each chunk is coloured by: the host of an article, the folder of a note, or its title where the notes are
    all in one folder."""
    folders = {str(PurePath(chunk.source).parent) for chunk in chunks if not chunk.url}
    return [_group(chunk, by_title=len(folders) == 1) for chunk in chunks]


def _group(chunk: Chunk, by_title: bool) -> str:
    if chunk.url:
        return urlsplit(chunk.url).netloc
    return chunk.title if by_title else short_path(str(PurePath(chunk.source).parent))


def _coloured(names: Sequence[str]) -> tuple[list[int], list[str]]:
    """The number of each one's colour, and what the colours stand for."""
    legend = [name for name, _ in Counter(names).most_common(_COLOURS)]
    has_others = len(set(names)) > len(legend)
    return [legend.index(name) if name in legend else _COLOURS for name in names], [*legend, *[OTHERS] * has_others]


def _point_html(chunk: Chunk, place: tuple[int, int], colour: int) -> str:
    heading, topic = escape(chunk.heading[:_LONGEST]), escape(chunk.heading_path[-1][:_LONGEST])
    return (
        f'<circle cx="{place[0]}" cy="{place[1]}" r="5" class="g{colour}" role="button" tabindex="-1" '
        f'data-do="select" data-id="{topic}" aria-label="{heading}"><title>{heading}</title></circle>'
    )


def _labels_html(named: Sequence[tuple[str, tuple[int, int]]]) -> str:
    """The names of some of these points, evenly taken, none over another."""
    taken: list[tuple[int, int, int]] = []
    labels = ""
    for name, (x, y) in named[:: max(1, len(named) // (8 * _LABELS))]:
        shown = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1].rstrip()}…"
        width = _LETTER_WIDTH * len(shown)
        left = min(max(0, x - width // 2), _WIDTH - width)
        base = y - 9 if y > _LINE else y + _LINE
        is_free = all(abs(base - other) > _LINE or left > end or left + width < start for start, end, other in taken)
        if is_free and len(taken) < _LABELS:
            taken.append((left, left + width, base))
            labels += f'<text x="{left}" y="{base}" aria-hidden="true">{escape(shown)}</text>'
    return labels
