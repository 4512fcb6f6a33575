"""Tune a model with low-rank adapters (LoRA, Hu et al. 2021, https://arxiv.org/abs/2106.09685).

The frozen weights and the adapter compute in bfloat16 where the device is quick at it, in float32 elsewhere, and on a
GPU the frozen ones may be held in 4 bit (QLoRA, Dettmers et al. 2023, https://arxiv.org/abs/2305.14314); what the
optimiser adds up stays in float32. Only replies are learnt, and the output layer is computed at their places only. A
run is a plan, fixed at its beginning, and a checkpoint: killed at any moment it goes on from there with the same
batches, and ends as if nothing had happened. What one device has checkpointed another goes on with.
"""

import json
import math
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.base import Base
from finetune.batches import Encoded, batches, tensors
from knowledge.errors import NotesError

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

#: Rows that are computed at once; a larger batch is their sum.
_ROWS_AT_ONCE = 8
_WARM_UP = 0.03
#: The last part of a run, in which the learning rate falls to nothing.
_COOL_DOWN = 0.3
#: How many times in a run the loss on the validation examples is taken at most, and how many times in a row it may have
#: got no better before the last part of the run begins early.
_CHECKS = 12
_PATIENCE = 5
#: On so many examples; more take time and tell little more.
_LEAST_VALIDATED, MOST_VALIDATED = 32, 256
#: Taking the loss of an example, in the time of training on it.
_CHECKING = 0.3
_CHECKPOINT_SECONDS = 120
_CARD = """---
base_model: {base}
library_name: peft
---
A LoRA of rank {rank}, made with `askmynotes finetune train`. The licence of its base holds for it, and those of the
texts that it was trained on (`data.json`). `evaluation.json` is what `askmynotes finetune evaluate` measured.
"""
_OTHER_PLAN = (
    "{}: holds an unfinished run on other examples or of another plan: go on with those, remove it, or name another "
    "folder with --out"
)
_NOT_WRITABLE = "{}: cannot be written ({}): make room on the disk or name another folder; the same command goes on"
_NOT_WHOLE = "{}: the checkpoint is not whole: remove it, and the run begins anew"
#: Steps that the speed is measured on, before a run is planned by it.
_MEASURED = 3


@dataclass(frozen=True)
class Plan:
    """All that decides the result of a run; `unanswered` is the largest share of examples without an answer, and
    `fingerprint` stands for the base and the examples."""

    steps: int
    batch: int = 16
    learning_rate: float = 5e-4
    rank: int = 16
    unanswered: float = 0.12
    seed: int = 1
    fingerprint: str = ""


@dataclass
class Progress:
    """Where a run stands; `training` and `validation` are (step, loss), `end` is the step that it ends at."""

    step: int = 0
    end: int = 0
    best: float = math.inf
    worse: int = 0
    training: list[tuple[int, float]] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return self.step >= self.end


class Run:
    """A LoRA run in the folder `out`: `checkpoint/`, which holds the plan too, and `adapter/`, the best, saved by PEFT.

    Raises NotesError where the folder holds an unfinished run of another plan.
    """

    def __init__(self, base: Base, plan: Plan, out: Path, start_from: Path | None = None) -> None:
        import torch

        self.base, self.plan, self.out = base, plan, out
        self.progress = Progress(end=plan.steps)
        torch.manual_seed(plan.seed)
        self.model = _with_adapter(base, plan.rank, start_from)
        self._weights = {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}
        self._masters = {name: weight.detach().float().clone() for name, weight in self._weights.items()}
        self._optimiser = torch.optim.AdamW(self._masters.values(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.0)
        self._resume()

    # -- the loop ---------------------------------------------------------------------------------------------------

    def train(
        self, training: Sequence[Encoded], validation: Sequence[Encoded], tell: Callable[[Progress, float], None]
    ) -> None:
        """Train to the end of the plan, or of a shorter one where the validation loss gets no better; `tell` hears of
        every step with its loss. Whatever ends it, a checkpoint is kept.

        Raises NotesError where another process trains in the same folder.
        """
        with _alone(self.out):
            self._save_checkpoint()  # the plan stands, and the folder can be written
            try:
                self._train(training, validation, tell)
            finally:
                self._save_checkpoint()
            if not validation:
                self._save_adapter()

    def _train(
        self, training: Sequence[Encoded], validation: Sequence[Encoded], tell: Callable[[Progress, float], None]
    ) -> None:
        order = islice(batches(training, self.plan.batch, self.plan.seed), self.progress.step, None)
        saved = time.monotonic()
        self._check_if_due(validation)  # where a run was stopped before it had
        while not self.progress.is_done:
            loss = self._step(next(order))
            self._check_if_due(validation)
            tell(self.progress, loss)
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                self._save_checkpoint()
                saved = time.monotonic()

    def _step(self, batch: Sequence[Encoded]) -> float:
        import torch

        total = 0.0
        try:
            for rows in _cut(batch, _ROWS_AT_ONCE):
                loss = self._loss(rows) / len(batch)
                loss.backward()
                total += loss.item()
        except torch.OutOfMemoryError as error:
            raise NotesError(
                "the GPU has too little memory left: end what else runs there, or train on the CPU with "
                "CUDA_VISIBLE_DEVICES= before the command; it goes on from the last checkpoint"
            ) from error
        with _undisturbed():
            self._learn()
            self.progress.step += 1
            self.progress.training.append((self.progress.step, total))
        return total

    def _learn(self) -> None:
        """Move the weights by the gradients that are there."""
        import torch

        for name, master in self._masters.items():
            master.grad = self._weights[name].grad.float()  # type: ignore[union-attr]
            self._weights[name].grad = None
        torch.nn.utils.clip_grad_norm_(list(self._masters.values()), 1.0)
        rate = _rate(self.progress.step, self.plan.steps, self.progress.end)
        self._optimiser.param_groups[0]["lr"] = self.plan.learning_rate * rate
        self._optimiser.step()
        self._copy_masters()

    def _loss(self, rows: Sequence[Encoded]) -> "torch.Tensor":
        """Sum over the rows of the mean cross-entropy of each reply's tokens: a short reply weighs like a long one."""
        import torch

        ids, labels = tensors(rows, self.model.device)
        model: Any = self.model.get_base_model()
        learnt = labels != -100
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=ids.is_cuda):
            hidden = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
            logits = model.get_output_embeddings()(hidden[learnt]).float()
        losses = torch.nn.functional.cross_entropy(logits, labels[learnt], reduction="none")
        lengths = learnt.sum(1, keepdim=True).expand_as(learnt)[learnt]
        return (losses / lengths).sum()

    def _check_if_due(self, validation: Sequence[Encoded]) -> None:
        """Take the validation loss where it is time to, before the first step too, and it has not been taken."""
        import torch

        step, checked = self.progress.step, self.progress.validation
        is_due = step == self.progress.end or step % math.ceil(self.plan.steps / _CHECKS) == 0
        if not validation or not is_due or (checked and step == checked[-1][0]):
            return
        with torch.no_grad():
            ordered = sorted(validation, key=len)
            loss = sum(self._loss(rows).item() for rows in _cut(ordered, _ROWS_AT_ONCE)) / len(validation)
        with _undisturbed():
            self._checked(loss)

    def _checked(self, loss: float) -> None:
        """Note a validation loss, and keep the adapter where it is the best so far."""
        self.progress.validation.append((self.progress.step, loss))
        if loss < self.progress.best:
            self.progress.best, self.progress.worse = loss, 0
            self._save_adapter()
        else:
            self.progress.worse += 1
            if self.progress.worse == _PATIENCE:
                cool_down = math.ceil(_COOL_DOWN * self.plan.steps)
                self.progress.end = min(self.progress.end, self.progress.step + cool_down)

    def _copy_masters(self) -> None:
        for name, master in self._masters.items():
            self._weights[name].data.copy_(master)

    # -- what is kept -----------------------------------------------------------------------------------------------

    def _save_adapter(self) -> None:
        with _replacing(self.out / "adapter") as folder:
            self.model.save_pretrained(str(folder))
            # in place of the empty form that PEFT leaves, which names a path of this machine
            config: Any = self.model.peft_config["default"]
            card = _CARD.format(base=self.base.path.name, rank=config.r)
            (folder / "README.md").write_text(card, encoding="utf-8")

    def _save_checkpoint(self) -> None:
        from safetensors.torch import save_file

        state = self._optimiser.state
        held = {f"master.{name}": master for name, master in self._masters.items()}
        for name, master in self._masters.items():
            if master in state:
                held |= {f"{key}.{name}": state[master][key] for key in ("exp_avg", "exp_avg_sq", "step")}
        with _undisturbed(), _replacing(self.out / "checkpoint") as folder:
            save_file(held, folder / "state.safetensors")
            (folder / "progress.json").write_text(json.dumps(asdict(self.progress)), encoding="utf-8")
            (folder / "plan.json").write_text(json.dumps(asdict(self.plan)), encoding="utf-8")

    def _resume(self) -> None:
        found = read_progress(self.out)
        if not found:
            return
        if read_plan(self.out) != self.plan:
            if found.is_done:
                return  # that one is done: its checkpoint gives way to the first of this one
            raise NotesError(_OTHER_PLAN.format(self.out))
        held = _read_state(self.out)
        for name, master in self._masters.items():
            master.copy_(held[f"master.{name}"])
            if f"step.{name}" in held:
                keys = ("exp_avg", "exp_avg_sq", "step")
                # `step` stays on the CPU, where AdamW has it
                self._optimiser.state[master] = {
                    key: held[f"{key}.{name}"].to("cpu" if key == "step" else master.device) for key in keys
                }
        self._copy_masters()
        self.progress = found


def begun(out: Path, plan: Plan) -> Plan | None:
    """The plan of a run in this folder that differs from `plan` in its steps at most.

    Raises NotesError where there is an unfinished run of another one.
    """
    kept, progress = read_plan(out), read_progress(out)
    if kept and kept == replace(plan, steps=kept.steps):
        return kept
    if progress and not progress.is_done:
        raise NotesError(_OTHER_PLAN.format(out))
    return None


def set_aside(out: Path) -> Path | None:
    """Keep the adapter of an earlier run in this folder under another name, which is given back: the next run writes
    its own from its first step on."""
    adapter = out / "adapter"
    _put_back(adapter)
    if not adapter.is_dir():
        return None
    free = next(name for number in count(1) if not (name := out / f"adapter-{number}").exists())
    return adapter.rename(free)


def read_plan(out: Path) -> Plan | None:
    """The plan of a run that was begun in this folder. Raises NotesError where its checkpoint is not whole."""
    return _read_kept(out, "plan.json", Plan)


def read_progress(out: Path) -> Progress | None:
    """Where the run in this folder stands. Raises NotesError where its checkpoint is not whole."""
    return _read_kept(out, "progress.json", Progress)


def _read_kept(out: Path, name: str, kind: Callable[..., Any]) -> Any:
    folder = out / "checkpoint"
    _put_back(folder)
    try:
        return kind(**json.loads((folder / name).read_text(encoding="utf-8"))) if folder.is_dir() else None
    except (OSError, ValueError, TypeError) as error:
        raise NotesError(_NOT_WHOLE.format(folder)) from error


def _read_state(out: Path) -> "dict[str, torch.Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(out / "checkpoint" / "state.safetensors")
    except (OSError, SafetensorError) as error:
        raise NotesError(_NOT_WHOLE.format(out / "checkpoint")) from error


def steps_within(seconds: float, base: Base, training: Sequence[Encoded], validation: int) -> tuple[int, float]:
    """How many steps fit into a time, beside what validating on so many examples takes; and the seconds of a step."""
    step = _measure(base, training)
    checks = (_CHECKS + 1) * _CHECKING / Plan.batch  # of one example, in steps
    in_all = seconds / step
    return max(1, round(max(in_all / (1 + checks), in_all - checks * min(validation, MOST_VALIDATED)))), step


def validated(steps: int) -> int:
    """On how many examples a run is validated: on fewer where it is short, so that most of its time is for training."""
    return min(MOST_VALIDATED, max(_LEAST_VALIDATED, steps))


def _measure(base: Base, training: Sequence[Encoded]) -> float:
    """Seconds that a step takes, after a first one; the base is left as it was."""
    with tempfile.TemporaryDirectory() as work:
        run = Run(base, Plan(steps=_MEASURED + 1), Path(work))
        order = batches(training, run.plan.batch, run.plan.seed)
        run._step(next(order))
        started = time.monotonic()
        for batch in islice(order, _MEASURED):
            run._step(batch)
        seconds = (time.monotonic() - started) / _MEASURED
    run.model.unload()
    return seconds


def _with_adapter(base: Base, rank: int, start_from: Path | None) -> "PeftModel":
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from safetensors import SafetensorError

    base.model.requires_grad_(False)
    if getattr(base.model, "is_loaded_in_4bit", False):
        _save_memory(base.model)
    base.model.name_or_path = base.path.name  # as PEFT records it: no path of this machine
    if start_from:
        where: dict[str, Any] = {"local_files_only": True, "torch_device": base.model.device.type}
        try:
            model: Any = PeftModel.from_pretrained(base.model, start_from, is_trainable=True, **where)
        except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise NotesError(f"{start_from}: is no whole adapter of {base.path.name} ({reason})") from error
    else:
        settings = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank, target_modules="all-linear")
        model = get_peft_model(base.model, settings)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()  # it would need its random state to resume exactly
    for weight in model.parameters():
        if weight.requires_grad:
            # as the frozen weights: a mixture is converted at every layer, which takes as long as the work itself
            weight.data = weight.data.to(torch.bfloat16 if weight.is_cuda else base.model.dtype)
    return model


def _save_memory(model: "PreTrainedModel") -> None:
    """Norms and embeddings in float32 beside weights in 4 bit, and of each layer only the input kept for the way back
    (Chen et al. 2016, https://arxiv.org/abs/1604.06174)."""
    from peft import prepare_model_for_kbit_training
    from transformers.modeling_layers import GradientCheckpointingLayer

    prepare_model_for_kbit_training(model, gradient_checkpointing_kwargs={"use_reentrant": False})
    for module in model.modules():
        if isinstance(module, GradientCheckpointingLayer):
            module.training = True  # of itself alone: what is inside it has no dropout either


def _rate(step: int, steps: int, end: int) -> float:
    """The learning rate's factor: rising, level, and falling to nothing at `end` (Hu et al. 2024,
    https://arxiv.org/abs/2404.06395). Much of what is learnt shows only as it falls, so that a run that gets no better
    is not broken off: it begins to fall."""
    rising = (step + 1) / max(1.0, _WARM_UP * steps)
    falling = (end - step) / max(1.0, _COOL_DOWN * steps)
    return min(1.0, rising, falling)


def _cut(rows: Sequence[Encoded], size: int) -> Iterator[Sequence[Encoded]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits for the end of what must not be done by half. Only the main thread hears of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the one trainer's place in a folder. Raises NotesError where another holds it, or it cannot be written."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "training.lock", timeout=0).acquire()
    except Timeout as error:
        raise NotesError(
            f"{folder}: another run trains there: wait until it is done, or name another folder with --out"
        ) from error
    except OSError as error:
        raise NotesError(_NOT_WRITABLE.format(folder, error.strerror)) from error
    with lock:
        yield


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `target` as soon as it is whole.

    Raises NotesError where it cannot be written.
    """
    from safetensors import SafetensorError

    new, old = _beside(target)
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        yield new
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.replace(target, old)
        os.replace(new, target)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(new, ignore_errors=True)
        reason = error.strerror if isinstance(error, OSError) else error
        raise NotesError(_NOT_WRITABLE.format(target, reason)) from error
    shutil.rmtree(old, ignore_errors=True)


def _put_back(target: Path) -> None:
    """Where the power went just as a new one was to take its place, the old one is there again."""
    _, old = _beside(target)
    if old.is_dir() and not target.exists():
        os.replace(old, target)


def _beside(target: Path) -> tuple[Path, Path]:
    """Where the new one is written, and where the old one lies meanwhile."""
    return target.with_name(target.name + ".new"), target.with_name(target.name + ".old")
