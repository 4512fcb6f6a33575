"""A comparison as one HTML file that needs nothing else: its plots are inside."""

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune import plots
from finetune.evaluate import MEASURES, Compared, score
from finetune.train import Progress

PAGE = Path(__file__).with_name("report.html")


def render(adapter: str, result: dict[str, Any], compared: Sequence[Compared], progress: Progress | None) -> str:
    """The page; every word of notes, questions and models is escaped. `progress`: of the training, where known."""
    from jinja2 import Environment, StrictUndefined

    images = [
        ("The measures of the table as bars, before and after", plots.comparison(result["before"], result["after"]))
    ]
    if progress:
        images.append(("The loss of the training over its steps", plots.training(progress)))
    changed = {change: _changed(compared, change) for change in (-1, 0, 1)}
    return (
        Environment(autoescape=True, undefined=StrictUndefined)
        .from_string(PAGE.read_text(encoding="utf-8"))
        .render(
            adapter=adapter,
            result=result,
            measures=MEASURES,
            images=[(title, b64encode(png).decode()) for title, png in images],
            lists=[
                ("Worse than before", changed[-1]),
                ("Better than before", changed[1]),
                ("As before, and not right", [each for each in changed[0] if score(each.example, each.after) < 1]),
            ],
        )
    )


def _changed(compared: Sequence[Compared], sign: int) -> list[Compared]:
    """Those whose score rose (1), fell (-1) or stayed (0)."""
    return [
        each for each in compared if _sign(score(each.example, each.after) - score(each.example, each.before)) == sign
    ]


def _sign(change: float) -> int:
    return (change > 0) - (change < 0)
