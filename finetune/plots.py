"""The plots of fine-tuning, as PNG."""

import math
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING

from finetune.evaluate import LESS
from finetune.train import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BEFORE, _AFTER = "#94a3b8", "#0f766e"


def training(progress: Progress) -> bytes:
    """The loss of every step with its running mean, and the validation loss."""
    figure = _figure(8, 4)
    axes = figure.subplots()
    if progress.training:
        steps, losses = zip(*progress.training, strict=True)
        axes.plot(steps, losses, color=_BEFORE, linewidth=0.6, label="training, each step")
        axes.plot(steps, _running_mean(losses), color=_BEFORE, linewidth=1.8, label="training, running mean")
    if progress.validation:
        steps, losses = zip(*progress.validation, strict=True)
        axes.plot(steps, losses, color=_AFTER, marker="o", markersize=4, label="validation")
    axes.set(xlabel="step", ylabel="loss (nats a token)", title="Loss")
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False)
    return _png(figure)


def comparison(before: Mapping[str, float], after: Mapping[str, float]) -> bytes:
    """A pair of bars for each measure."""
    names = list(after)
    figure = _figure(8, 0.5 * len(names) + 1.2)
    axes = figure.subplots()
    places = range(len(names))
    axes.barh([place - 0.2 for place in places], [before.get(name, 0) for name in names], 0.38, color=_BEFORE)
    axes.barh([place + 0.2 for place in places], [after[name] for name in names], 0.38, color=_AFTER)
    axes.set_yticks(places, [name.replace("_", " ") + " (less is better)" * (name in LESS) for name in names])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), title="Before (grey) and after (green)")
    return _png(figure)


def _running_mean(values: "tuple[float, ...]") -> list[float]:
    """An exponential mean whose memory is a twentieth of the run."""
    keep = 1 - 1 / max(1.0, len(values) / 20)
    mean, weight, means = 0.0, 0.0, []
    for value in values:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        means.append(mean / weight if weight else math.nan)
    return means


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _png(figure: "Figure") -> bytes:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    file = BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
