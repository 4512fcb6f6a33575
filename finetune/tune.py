"""Search for the settings of a run that give the lowest validation loss, by Bayesian optimisation: the tree-structured
Parzen estimator of Optuna (Bergstra et al., NeurIPS 2011)."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune.base import Base
from finetune.batches import encode
from finetune.examples import Example, balanced
from finetune.train import Plan, Progress, Run, measure
from knowledge.errors import NotesError

_SEED = 1
_RANKS = (4, 8, 16, 32)
_LEARNING_RATES = (1e-4, 2e-3)
_UNANSWERED = (0.05, 0.35)
#: The settings that were found best, beside the examples; `train` uses them.
FOUND = "tuned.json"


def search(
    base: Base,
    start_from: Path | None,
    examples: Sequence[Example],
    validation: Sequence[Example],
    most_tokens: int,
    fingerprint: str,
    trials: int,
    seconds: float,
    out: Path,
    tell: Callable[[Plan, float], None],
) -> Plan:
    """The best plan of `trials` short runs of so many seconds each; `tell` hears of each plan and its loss.

    An adapter to `start_from` has its rank already. What was tried is kept in `out`, so that a search that was stopped
    goes on. A run that does worse than half of the others did at the same step is ended early.
    """
    import optuna

    for logger in ("optuna", "alembic"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    out.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{out / 'optuna.sqlite'}",
        study_name=fingerprint,
        sampler=optuna.samplers.TPESampler(seed=_SEED),
        pruner=optuna.pruners.MedianPruner(),
        load_if_exists=True,
    )
    held_out = encode(base, validation, most_tokens)
    if "steps" not in study.user_attrs:
        study.set_user_attr("steps", max(1, round(seconds / measure(base, encode(base, examples, most_tokens)))))
    plan = Plan(steps=study.user_attrs["steps"], fingerprint=fingerprint)

    def objective(trial: Any) -> float:
        tried = replace(
            plan,
            learning_rate=trial.suggest_float("learning_rate", *_LEARNING_RATES, log=True),
            rank=plan.rank if start_from else trial.suggest_categorical("rank", _RANKS),
            unanswered=trial.suggest_float("unanswered", *_UNANSWERED),
        )
        run = Run(base, tried, out / f"trial-{trial.number}", start_from)

        def report(progress: Progress, loss: float) -> None:
            if progress.validation and progress.validation[-1][0] == progress.step:
                trial.report(progress.validation[-1][1], progress.step)
                if trial.should_prune():
                    raise optuna.TrialPruned

        try:
            run.train(encode(base, balanced(examples, tried.unanswered, tried.seed), most_tokens), held_out, report)
        finally:
            run.model.unload()
            tell(tried, run.progress.best)
        return run.progress.best

    done = sum(trial.state.is_finished() for trial in study.trials)
    study.optimize(objective, n_trials=max(0, trials - done))
    return replace(plan, **study.best_params)


def write_found(folder: Path, plan: Plan) -> None:
    """Keep the settings that were found beside the examples."""
    found = {"learning_rate": plan.learning_rate, "rank": plan.rank, "unanswered": plan.unanswered}
    (folder / FOUND).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def read_found(folder: Path) -> dict[str, Any]:
    """The settings that were found for the examples in this folder; none where they were not searched for.

    Raises NotesError where the file is something else.
    """
    file = folder / FOUND
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {name: found[name] for name in ("learning_rate", "rank", "unanswered")}
    except (ValueError, KeyError, TypeError) as error:
        raise NotesError(f"{file}: not what `askmynotes finetune tune` wrote: remove it") from error
