"""Runs logged to MLflow, in a SQLite file of the home folder: nothing leaves the machine."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from finetune.train import Plan, Progress
from knowledge.errors import NotesError

_EXPERIMENT = "askmynotes"
_MOST_AT_ONCE = 1000  # metrics that MLflow takes in one call


class Tracker:
    """One run of MLflow for a folder of a run; what it holds already is not logged again.

    Its methods raise NotesError where the store cannot be written.
    """

    def __init__(self, store: Path, out: Path, plan: Plan) -> None:
        # asked for on import, and else told to the makers of MLflow
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        from mlflow import MlflowClient

        for name in ("mlflow", "mlflow.store.db.utils", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._store = store
        with self._failures_told():
            self._client = MlflowClient(f"sqlite:///{store}")
            self._run = self._begin(out, plan)
            self._logged = {name: self._last_step(name) for name in ("training_loss", "validation_loss")}

    def _begin(self, out: Path, plan: Plan) -> str:
        note = out / "mlflow-run"
        known, _, fingerprint = note.read_text(encoding="utf-8").partition(" ") if note.is_file() else ("", "", "")
        if fingerprint == plan.fingerprint and known in self._runs():
            return known
        run = self._client.create_run(self._experiment(), run_name=out.name)
        for name, value in asdict(plan).items():
            self._client.log_param(run.info.run_id, name, value)
        out.mkdir(parents=True, exist_ok=True)
        note.write_text(f"{run.info.run_id} {plan.fingerprint}", encoding="utf-8")
        return str(run.info.run_id)

    @contextmanager
    def _failures_told(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError) as error:
            reason = str(error).strip().splitlines()[0]
            raise NotesError(
                f"{self._store}: MLflow cannot use it ({reason}): make room on the disk, or move the file away; the "
                "same command goes on"
            ) from error

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(_EXPERIMENT)
        return found.experiment_id if found else self._client.create_experiment(_EXPERIMENT)

    def _runs(self) -> set[str]:
        return {run.info.run_id for run in self._client.search_runs([self._experiment()])}

    def _last_step(self, name: str) -> int:
        return max((metric.step for metric in self._client.get_metric_history(self._run, name)), default=-1)

    def log(self, progress: Progress) -> None:
        """Log the losses that are new since the last time."""
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        losses = {"training_loss": progress.training, "validation_loss": progress.validation}
        new = [
            Metric(name, loss, now, step)
            for name, all_of_them in losses.items()
            for step, loss in all_of_them
            if step > self._logged[name]
        ]
        with self._failures_told():
            for start in range(0, len(new), _MOST_AT_ONCE):
                self._client.log_batch(self._run, metrics=new[start : start + _MOST_AT_ONCE])
        for metric in new:
            self._logged[metric.key] = max(self._logged[metric.key], metric.step)

    def log_result(self, measures: dict[str, float]) -> None:
        """Log what an evaluation found."""
        with self._failures_told():
            for name, value in measures.items():
                self._client.log_metric(self._run, name, value)

    def end(self) -> None:
        """Mark the run as finished."""
        with self._failures_told():
            self._client.set_terminated(self._run)
