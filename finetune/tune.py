"""Search for the settings of a run that give the lowest validation loss, by Bayesian optimisation: the tree-structured
Parzen estimator of Optuna (Bergstra et al., NeurIPS 2011)."""

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.base import Base
from finetune.batches import encode
from finetune.examples import Example, balanced
from finetune.train import Plan, Progress, Run, steps_within, validated
from knowledge.errors import NotesError

if TYPE_CHECKING:
    from optuna import Study

_SEED = 1
#: So many plans are drawn by chance before the first is chosen by what the others came to.
_BY_CHANCE = 4
#: Under which a trial keeps the number of the one, stopped in the middle, that it goes on with.
_GOES_ON_WITH = "goes_on_with"
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
    goes on, in the middle of a run. A run that does worse than half of the others did at the same step is ended early.
    Raises NotesError where Optuna is not installed.
    """
    from tqdm import tqdm

    try:
        import optuna
    except ImportError as error:
        raise NotesError("the search takes Optuna: pip install 'askmynotes[finetune]'") from error
    study = _study(out, f"{fingerprint}-{seconds:g}")
    held_out = encode(base, validation, most_tokens)
    if "steps" not in study.user_attrs:
        steps, _ = steps_within(seconds, base, encode(base, examples, most_tokens), len(held_out))
        study.set_user_attr("steps", steps)
    plan = Plan(steps=study.user_attrs["steps"], fingerprint=fingerprint)
    held_out = held_out[: validated(plan.steps)]

    def objective(trial: Any) -> float:
        tried = replace(
            plan,
            learning_rate=trial.suggest_float("learning_rate", *_LEARNING_RATES, log=True),
            rank=plan.rank if start_from else trial.suggest_categorical("rank", _RANKS),
            unanswered=trial.suggest_float("unanswered", *_UNANSWERED),
        )
        folder = out / study.study_name / f"trial-{trial.user_attrs.get(_GOES_ON_WITH, trial.number)}"
        run = Run(base, tried, folder, start_from)
        bar.update(run.progress.step)

        def report(progress: Progress, loss: float) -> None:
            bar.update()
            if progress.validation[-1][0] == progress.step:
                trial.report(progress.validation[-1][1], progress.step)
                if trial.should_prune():
                    raise optuna.TrialPruned

        try:
            run.train(encode(base, balanced(examples, tried.unanswered, tried.seed), most_tokens), held_out, report)
        except optuna.TrialPruned:
            _end(run, tell)
            raise
        finally:
            run.model.unload()
        return _end(run, tell)

    _go_on_with_stopped(study)
    done = len(_done(study))
    with tqdm(total=trials * plan.steps, initial=done * plan.steps, unit="step", disable=None) as bar:
        study.optimize(objective, n_trials=max(0, trials - done))
    return replace(plan, **study.best_params)


def _study(out: Path, name: str) -> "Study":
    import optuna

    for logger in ("optuna", "alembic"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    out.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{out / 'optuna.sqlite'}",
        study_name=name,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_BY_CHANCE),
        load_if_exists=True,
    )
    # with the seed of the first time the plans of the first time would be drawn again
    study.sampler = optuna.samplers.TPESampler(n_startup_trials=_BY_CHANCE, seed=_SEED + len(study.trials))
    return study


def _go_on_with_stopped(study: "Study") -> None:
    """Have the last trial, where it was stopped, tried again: its run goes on."""
    from optuna.trial import TrialState

    last = study.trials[-1] if study.trials else None
    if last and last.state in (TrialState.RUNNING, TrialState.FAIL):
        number = last.user_attrs.get(_GOES_ON_WITH, last.number)
        study.enqueue_trial(last.params, user_attrs={_GOES_ON_WITH: number})


def _done(study: "Study") -> list[Any]:
    from optuna.trial import TrialState

    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def _end(run: Run, tell: Callable[[Plan, float], None]) -> float:
    """The lowest loss that the run came to, behind the one it began with; its weights are not needed any more."""
    lowest = min(loss for step, loss in run.progress.validation if step)
    shutil.rmtree(run.out, ignore_errors=True)
    tell(run.plan, lowest)
    return lowest


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
