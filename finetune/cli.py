"""The commands of fine-tuning: data → train → export."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from knowledge.command import Commands, home_option, open_store, settings
from knowledge.errors import NotesError

if TYPE_CHECKING:
    from finetune.base import Base
    from finetune.batches import Encoded
    from finetune.dataset import Asked
    from finetune.examples import Example
    from finetune.train import Plan, Progress, Run
    from knowledge.store import Store

#: The share of the sources that is kept for validation.
_VALIDATION = 0.1
_SEED = 1
#: Longer examples are left out: their attention takes more memory than a laptop has to spare.
_MOST_TOKENS = 768
#: Steps that the speed is measured on, before the rest is planned by it.
_MEASURED = 3


@click.group(cls=Commands)
@home_option
def finetune() -> None:
    """Tune the language model to your notes: data, train, export."""


@finetune.command()
@click.option(
    "--questions", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.jsonl",
    help="Questions on your indexed notes, as `evaluate` reads them (may be given again).",
)  # fmt: skip
@click.option(
    "--squad", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.json",
    help="A question set with paragraphs of its own, in the format of SQuAD (may be given again).",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="[default: finetune/ in the home folder]")
@home_option
def data(questions: tuple[Path, ...], squad: tuple[Path, ...], out: Path | None) -> None:
    """Make training and validation examples of questions whose answers are known."""
    from finetune.examples import card, split, write_examples

    if not questions and not squad:
        raise click.UsageError(
            "Name a file: `askmynotes evaluate --generate 200 --out FILE.jsonl` drafts one from your notes."
        )
    folder = out or settings().home / "finetune"
    made = [example for path in (*questions, *squad) for example in _examples(path, path in squad)]
    training, validation = split(made, _VALIDATION)
    for name, part in (("train", training), ("valid", validation)):
        click.echo(f"{folder / name}.jsonl: {write_examples(folder / f'{name}.jsonl', part)} examples")
    described = {name: card(part) for name, part in (("train", training), ("valid", validation))}
    (folder / "card.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def _examples(path: Path, is_set: bool) -> "list[Example]":
    import tempfile

    from finetune.questions import index, read_own, read_squad
    from knowledge.settings import Settings
    from knowledge.store import Store

    if not is_set:
        store = open_store()
        return _with_progress(path, list(read_own(path, store)), store)
    documents, asked = read_squad(path)
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "models").symlink_to(settings().models)
        store = Store(Settings(home=Path(home), embedding_model=settings().embedding_model))
        try:
            index(store, documents)
            return _with_progress(path, asked, store)
        finally:
            store.close()


def _with_progress(path: Path, asked: "list[Asked]", store: "Store") -> "list[Example]":
    from tqdm import tqdm

    from finetune.dataset import examples

    return list(examples(store, tqdm(asked, desc=path.name, unit="question", disable=None), _SEED))


@finetune.command()
@click.option("--data", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Where train.jsonl and valid.jsonl are.  [default: finetune/ in the home folder]")  # fmt: skip
@click.option("--base", type=click.Path(exists=True, path_type=Path), metavar="MODEL",
              help="What is tuned: a GGUF file or a folder of transformers.  [default: SmolLM2]")  # fmt: skip
@click.option(
    "--budget", default="30m", show_default=True, metavar="TIME", help="How long to train, such as 20m or 2h."
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="[default: adapters/mine in the home folder]"
)
@click.option("--start-from", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="ADAPTER",
              help="Go on from this adapter.")  # fmt: skip
@home_option
def train(folder: Path | None, base: Path | None, budget: str, out: Path | None, start_from: Path | None) -> None:
    """Train an adapter on the examples. Stopped by Ctrl-C, the same command goes on."""
    import torch

    from finetune.base import load_base
    from finetune.batches import encode
    from finetune.examples import read_examples
    from finetune.train import Run
    from knowledge.models import BASE_LANGUAGE_MODEL

    seconds = _seconds(budget)
    folder = folder or settings().home / "finetune"
    target = out or settings().home / "adapters" / "mine"
    examples = [read_examples(folder / f"{name}.jsonl") for name in ("train", "valid")]
    if not examples[0]:
        raise NotesError(f"{folder / 'train.jsonl'}: holds no examples: make some with `askmynotes finetune data`")
    loaded = load_base(base or settings().models / BASE_LANGUAGE_MODEL, torch.bfloat16)
    training, validation = (encode(loaded, part, _MOST_TOKENS) for part in examples)
    plan = _plan(loaded, training, target, seconds, _fingerprint(loaded.path, training, start_from))
    run = Run(loaded, plan, target, start_from)
    _train(run, training, validation)
    loss = f"its validation loss is {run.progress.best:.3f}" if validation else "there were no validation examples"
    click.echo(f"{target / 'adapter'}: {loss}")


def _plan(base: "Base", training: "list[Encoded]", target: Path, seconds: float, fingerprint: str) -> "Plan":
    """The plan of a run that was begun, or one with as many steps as the time allows."""
    from finetune.train import Plan, measure, read_plan

    if begun := read_plan(target):
        click.echo(f"{target}: going on with a run of {begun.steps} steps")
        return replace(begun, fingerprint=fingerprint)
    step = measure(base, training, _MEASURED)
    plan = Plan(steps=max(1, round(seconds / step)), fingerprint=fingerprint)
    click.echo(f"{plan.steps} steps of {plan.batch} examples, since one takes {step:.1f} s here")
    return plan


def _fingerprint(base: Path, training: "list[Encoded]", start_from: Path | None) -> str:
    """Tells runs on other examples, of another base or from another adapter apart."""
    origin = (base.name, start_from and start_from.resolve().name)
    return hashlib.sha256(repr((origin, training)).encode()).hexdigest()[:16]


def _train(run: "Run", training: "list[Encoded]", validation: "list[Encoded]") -> None:
    from tqdm import tqdm

    with tqdm(total=run.plan.steps, initial=run.progress.step, unit="step", disable=None) as bar:

        def tell(progress: "Progress", loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.2f}", valid=f"{progress.best:.3f}", refresh=False)
            bar.update()

        run.train(training, validation, tell)


def _seconds(budget: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", budget.strip())
    if not match:
        raise click.BadParameter(f"{budget!r} is no time such as 20m or 2h", param_hint="--budget")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


@finetune.command()
@click.argument("adapter", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--base", type=click.Path(exists=True, path_type=Path), metavar="MODEL",
              help="What the adapter was trained on.  [default: the one that is shipped]")  # fmt: skip
@click.option("--precision", type=click.Choice(["q8_0", "f16"]), default="q8_0", show_default=True)
@click.option(
    "--name", default="mine.gguf", show_default=True, metavar="FILE.gguf", help="What it is called in models/."
)
@home_option
def export(adapter: Path | None, base: Path | None, precision: str, name: str) -> None:
    """Add an adapter, else the last one trained, to its base and keep the result in models/: one file for the chat."""
    from finetune.export import export as write
    from knowledge.models import BASE_LANGUAGE_MODEL

    if Path(name).name != name or not name.endswith(".gguf"):
        raise click.BadParameter(f"{name!r} is no file name that ends in .gguf", param_hint="--name")
    adapter = adapter or settings().home / "adapters" / "mine" / "adapter"
    target = settings().models / name
    write(base or settings().models / BASE_LANGUAGE_MODEL, adapter, target, "f16" if precision == "f16" else "q8_0")
    click.echo(f'{target}: set `model = "{name}"` in {settings().home / "config.toml"} to answer with it')
