"""The losses of a training run as a drawing."""

from collections.abc import Sequence
from itertools import pairwise

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 360, 150, 34, 22, 8
_MOST_POINTS = 240

Points = Sequence[tuple[float, float]]


def curve_svg(curve: dict[str, list[tuple[float, float]]]) -> str:
    """The training and the validation loss over the steps; nothing where no step was taken."""
    lines = {name: _thinned(points) for name in ("training", "validation") if (points := curve.get(name))}
    if not lines:
        return ""
    last = max(step for points in lines.values() for step, _ in points)
    highest = max(loss for points in lines.values() for _, loss in points)
    told = "; ".join(f"{name} loss {points[0][1]:.2f} to {points[-1][1]:.2f}" for name, points in lines.items())
    drawn = "".join(
        f'<polyline class="{name}" points="{_path(points, last, highest)}"/>' for name, points in lines.items()
    )
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{told}">'
        f'<path class="axes" d="M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - 6}"/>{drawn}'
        f'<text x="{_LEFT - 5}" y="{_TOP + 8}" text-anchor="end">{highest:.1f}</text>'
        f'<text x="{_LEFT - 5}" y="{_HEIGHT - _BOTTOM}" text-anchor="end">0</text>'
        f'<text x="{_WIDTH - 6}" y="{_HEIGHT - 6}" text-anchor="end">step {last:.0f}</text></svg>'
        f"<figcaption>{told}</figcaption></figure>"
    )


def _thinned(points: Points) -> Points:
    """At most so many points, each the mean of those that it stands for, at the last step of them."""
    size = -(-len(points) // _MOST_POINTS)
    bounds = [*range(0, len(points), size), len(points)]
    groups = [points[start:end] for start, end in pairwise(bounds)]
    return [(group[-1][0], sum(loss for _, loss in group) / len(group)) for group in groups]


def _path(points: Points, last: float, highest: float) -> str:
    across, up = (_WIDTH - 6 - _LEFT) / (last or 1), (_HEIGHT - _BOTTOM - _TOP) / (highest or 1)
    return " ".join(f"{_LEFT + step * across:.1f},{_HEIGHT - _BOTTOM - loss * up:.1f}" for step, loss in points)
