"""The commands of fine-tuning: data → (tune) → train → evaluate → export → use."""

import hashlib
import json
import math
import random
import re
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from knowledge.command import Commands, home_option, json_option, open_store, settings
from knowledge.errors import NotesError

if TYPE_CHECKING:
    from finetune.base import Base
    from finetune.batches import Encoded
    from finetune.dataset import Asked
    from finetune.examples import Example
    from finetune.track import Tracker
    from finetune.train import Plan, Progress, Run
    from knowledge.store import Store

#: Where, in the context of the commands, a function from the name of an engine to one that writes replies is found:
#: engines belong to the chat, which hands them in.
WRITERS = "finetune.writers"
_INTERRUPTED = 130
#: The share of the sources that is kept for validation.
_VALIDATION = 0.1
_SEED = 1
#: Longer examples are left out: their attention takes more memory than a laptop has to spare.
_MOST_TOKENS = 768


class _Resumable(Commands):
    """What was stopped by Ctrl-C, or by a disk, is said to go on."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            reason = error.strerror or error
            raise click.ClickException(
                f"{where}cannot be read or written ({reason}). What is done is kept: mend that and run the same "
                "command again to go on"
            ) from error
        except KeyboardInterrupt:
            click.echo("Interrupted. Nothing is lost: run the same command again to go on.", err=True)
            ctx.exit(_INTERRUPTED)


@click.group(cls=_Resumable)
@home_option
def finetune() -> None:
    """Tune the language model to your notes: data, train, evaluate, export, use."""


@finetune.command()
@click.option(
    "--questions", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.jsonl",
    help="Questions on your indexed notes, as `evaluate` reads them (may be given again).",
)  # fmt: skip
@click.option(
    "--squad", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.json",
    help="A question set with paragraphs of its own, in the format of SQuAD (may be given again).",
)  # fmt: skip
@click.option("--draft", "drafts", default=400, show_default=True, type=click.IntRange(0, 10_000), metavar="N",
              help="So many questions are drafted from your indexed notes; 0 for none.")  # fmt: skip
@click.option("--paraphrase-with", "engine", metavar="ENGINE",
              help="Have a language model put the questions in other words too: openai asks your server.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="[default: finetune/ in the home folder]")
@home_option
def data(
    questions: tuple[Path, ...], squad: tuple[Path, ...], drafts: int, engine: str | None, out: Path | None
) -> None:
    """Make training and validation examples of questions whose answers are known: drafted from your notes, called good
    in the chat, your own, and of public sets.

    Stopped by Ctrl-C, the same command goes on.
    """
    from finetune.examples import card, split, write_examples

    if not (questions or squad or drafts):
        raise click.UsageError("Name a file with --questions or --squad, or let questions be drafted.")
    folder = _writable(out or settings().home / "finetune")
    if squad and not questions and not open_store().counts()[1]:
        drafts = 0  # a set needs no notes
    made = _of_notes(drafts, questions, engine, folder) if drafts or questions else []
    made += [example for path in squad for example in _of_set(path, folder)]
    if not made:
        raise NotesError("no example came of these questions: each has to name a `section` of notes that are indexed")
    training, validation = split(made, _VALIDATION)
    for name, part in (("train", training), ("valid", validation)):
        click.echo(f"{folder / name}.jsonl: {write_examples(folder / f'{name}.jsonl', part)} examples")
    described = {name: card(part) for name, part in (("train", training), ("valid", validation))}
    (folder / "card.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    _kept(folder).unlink(missing_ok=True)
    click.echo(f"Train on them: {_command('train', None, None, (folder,) if out else ())}")


def _kept(folder: Path) -> Path:
    """Where examples are kept until all are made."""
    return folder / "examples.part.jsonl"


def _writable(folder: Path) -> Path:
    """A folder, made where it is missing. Raises NotesError where nothing can be written into it: sooner than after
    the work."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise NotesError(f"{folder}: cannot be written ({error.strerror}): name another folder with --out") from error


def _of_notes(drafts: int, files: tuple[Path, ...], engine: str | None, folder: Path) -> "list[Example]":
    """Of questions that are drafted, of a person's own, and of those whose answers were called good."""
    from finetune.paraphrase import in_other_words
    from finetune.questions import drafted, rated, read_own
    from knowledge.history import History

    store, history = open_store(), History(settings().home)
    given = [*rated(store, history), *(each for path in files for each in read_own(path, store, _warn))]
    history.close()
    # a person's own word on a question stands in place of the rules'
    known = {_folded(each.question) for each in given}
    new = [each for each in drafted(store, drafts) if _folded(each.question) not in known] if drafts else []
    asked = [*given, *in_other_words(new, _SEED)]
    if engine:
        asked += _rephrased([*new, *given], engine, store, folder / "paraphrases.jsonl")
    return _with_progress("your notes", asked, store, folder)


def _folded(question: str) -> str:
    return " ".join(question.lower().split())


def _warn(line: str) -> None:
    click.echo(line, err=True)


def _rephrased(asked: "list[Asked]", engine: str, store: "Store", file: Path) -> "list[Asked]":
    from tqdm import tqdm

    from finetune.rephrase import Kept, rephrased

    write = click.get_current_context().meta[WRITERS](engine)
    counted = Kept()
    ways = rephrased(asked, engine, write, store, file, counted)
    try:
        found = [
            way for some in tqdm(ways, desc=engine, total=len(asked), unit="question", disable=None) for way in some
        ]
    except NotesError as error:
        raise NotesError(f"{error}. What was written is kept: the same command goes on") from error
    click.echo(f"{counted.kept} of {counted.written} other ways to ask by {engine} are kept: those that ask the same")
    return found


def _of_set(path: Path, folder: Path) -> "list[Example]":
    """Its paragraphs are searched in an index of their own."""
    from finetune.questions import index, read_squad
    from knowledge.store import temporary_store

    documents, asked = read_squad(path)
    with temporary_store(settings()) as (store, _):
        index(store, documents)
        return _with_progress(path.name, asked, store, folder)


def _with_progress(name: str, asked: "list[Asked]", store: "Store", folder: Path) -> "list[Example]":
    from tqdm import tqdm

    from finetune.dataset import examples

    shown = tqdm(asked, desc=name, unit="question", disable=None)
    return list(examples(store, shown, _SEED, _kept(folder)))


@finetune.command()
@click.option("--data", "folders", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
              metavar="DIR", help="Where train.jsonl and valid.jsonl are; may be given again, the same one to weigh it "
              "twice.  [default: finetune/ in the home folder]")  # fmt: skip
@click.option("--base", type=click.Path(exists=True, path_type=Path), metavar="MODEL",
              help="What is tuned: a GGUF file or a folder of transformers.  [default: SmolLM2]")  # fmt: skip
@click.option("--budget", metavar="TIME", help="How long to train, such as 20m or 2h.  [default: 30m]")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), metavar="N",
              help="Go through all examples so many times instead.")  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="[default: adapters/mine in the home folder]"
)
@click.option("--start-from", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="ADAPTER",
              help="Go on from this adapter.  [default: the shipped one; with --base none]")  # fmt: skip
@home_option
def train(
    folders: tuple[Path, ...],
    base: Path | None,
    budget: str | None,
    epochs: float | None,
    out: Path | None,
    start_from: Path | None,
) -> None:
    """Train an adapter on the examples. Stopped by Ctrl-C, the same command goes on."""
    from finetune.batches import encode
    from finetune.examples import balanced, card
    from finetune.export import DATA
    from finetune.train import MOST_VALIDATED, Plan, Run, begun, set_aside, validated
    from finetune.tune import read_found

    if budget and epochs:
        raise click.UsageError("Give --budget or --epochs, not both.")
    seconds = _seconds(budget or "30m")
    target = out or settings().adapters / "mine"
    start_from = _origin(start_from, target) or _shipped(base)
    sources = folders or (settings().home / "finetune",)
    plan = _told(Plan(steps=0, **read_found(sources[0])), sources[0])
    training, validation = (balanced(part, plan.unanswered, plan.seed) for part in _read(sources))
    _writable(target)
    loaded = _to_train(base)
    shown = _encoded(loaded, training, sources[0] / "train.jsonl")
    held_out = encode(loaded, _some(validation, MOST_VALIDATED), _MOST_TOKENS)
    plan = replace(plan, fingerprint=_fingerprint(loaded.path, shown, start_from))
    going_on = begun(target, plan)
    plan = going_on or replace(plan, steps=_steps(loaded, shown, len(held_out), seconds, epochs))
    if not going_on and (kept := set_aside(target)):
        click.echo(f"{kept}: here the adapter that was trained before is kept")
    run = Run(loaded, plan, target, start_from)
    if going_on:
        click.echo(f"{target}: {_where(run)}")
    _train(run, shown, held_out[: validated(plan.steps)])
    described = {"train": card(training), "valid": card(validation)}
    (target / "adapter" / DATA).write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    click.echo(f"{target / 'adapter'}: {_outcome(run.progress)}")
    click.echo(f"See what it is worth: {_command('evaluate', target / 'adapter' if out else None, base, folders)}")


def _command(name: str, adapter: Path | None, base: Path | None, data: tuple[Path, ...] = ()) -> str:
    """A command with those options in it that were given to the one before."""
    given = [("", adapter), ("--base ", base), *(("--data ", folder) for folder in dict.fromkeys(data))]
    options = (f" {option}{shlex.quote(str(value))}" for option, value in given if value)
    return f"askmynotes finetune {name}{''.join(options)}"


def _encoded(base: "Base", examples: "list[Example]", file: Path) -> "list[Encoded]":
    """Raises NotesError where nothing is left to learn from."""
    from finetune.batches import encode

    encoded = encode(base, examples, _MOST_TOKENS)
    if not encoded:
        raise NotesError(
            f"{file}: holds no example with an answer that has at most {_MOST_TOKENS} tokens in all: make some with "
            "`askmynotes finetune data`"
        )
    if longer := len(examples) - len(encoded):
        _warn(f"{file}: {longer} of {len(examples)} examples are left out, for they have over {_MOST_TOKENS} tokens")
    return encoded


def _origin(adapter: Path | None, target: Path) -> Path | None:
    """The adapter to go on from. Raises NotesError where it is none, or is the one that will be written."""
    if adapter and _adapter(adapter).resolve() == (target / "adapter").resolve():
        raise NotesError(f"{adapter}: is what would be written anew: name another folder with --out")
    return adapter


def _steps(base: "Base", training: "list[Encoded]", validation: int, seconds: float, epochs: float | None) -> int:
    """As many steps as were asked for, or as the time allows, and why."""
    from finetune.train import Plan, steps_within

    if epochs:
        steps, why = math.ceil(epochs * len(training) / Plan.batch), "as --epochs asks"
    else:
        steps, each = steps_within(seconds, base, training, validation)
        why = f"what fits into {seconds / 60:g} min with the validation, since one takes {each:.1f} s here"
    rounds = steps * Plan.batch / len(training)
    click.echo(f"{steps} steps of {Plan.batch} examples, {rounds:.1f} times through all {len(training)}: {why}")
    return steps


def _where(run: "Run") -> str:
    if not run.progress.is_done:
        return f"going on with a run, at step {run.progress.step} of {run.progress.end}"
    return (
        f"is trained to its end, {run.progress.step} steps; to train more, go on from it: --start-from "
        f"{run.out / 'adapter'} --out ANOTHER"
    )


def _outcome(progress: "Progress") -> str:
    """What training did to the validation loss."""
    if not progress.validation:
        return "there were no validation examples to say what training did"
    (_, before), best = progress.validation[0], progress.best
    if best < before:
        return f"its validation loss fell from {before:.3f} to {best:.3f}"
    return (
        f"is what the run began with: its validation loss of {before:.3f} only rose. More examples help, or gentler "
        "settings: `askmynotes finetune tune` looks for them"
    )


def _to_train(path: Path | None) -> "Base":
    """The model to tune, the default one where no other is named, on the device that is chosen for it, and said."""
    from finetune.base import load_base
    from finetune.device import dtype, for_training
    from knowledge.models import BASE_LANGUAGE_MODEL

    path = path or settings().models / BASE_LANGUAGE_MODEL
    device = for_training(path)
    click.echo(f"{path.name} {device}")
    base = load_base(path, dtype(path, device), device)
    for name in ("logits_scaling", "logit_scale", "final_logit_softcapping"):
        if getattr(base.model.config, name, None) not in (None, 1):
            raise NotesError(
                f"{path}: cannot be trained here, for it changes its logits ({name}): choose another model"
            )
    return base


def _shipped(base: Path | None) -> Path | None:
    """The shipped adapter, where what it belongs to is tuned."""
    from finetune.shipped import ADAPTER

    return None if base else ADAPTER


def _read(folders: tuple[Path, ...]) -> "tuple[list[Example], list[Example]]":
    """The training and the validation examples of all folders."""
    training, validation = (_read_part(folders, name) for name in ("train", "valid"))
    if not training:
        raise NotesError(f"{folders[0] / 'train.jsonl'}: holds no examples: make some with `askmynotes finetune data`")
    return training, validation


def _read_part(folders: tuple[Path, ...], name: str) -> "list[Example]":
    from finetune.examples import read_examples

    files = [folder / f"{name}.jsonl" for folder in folders]
    for file in files:
        if not file.is_file():
            raise NotesError(f"{file}: cannot be read, for it is not there: `askmynotes finetune data` makes it")
    return [example for file in files for example in read_examples(file)]


def _told(plan: "Plan", folder: Path) -> "Plan":
    from finetune.tune import FOUND

    why = (
        f"as {folder / FOUND} says" if (folder / FOUND).is_file() else "the defaults; `finetune tune` looks for better"
    )
    click.echo(f"{_described(plan)}: {why}")
    return plan


def _described(plan: "Plan") -> str:
    share = f"at most {plan.unanswered:.0%} of the examples without an answer"
    return f"learning rate {plan.learning_rate:.1e}, rank {plan.rank}, {share}"


def _some(examples: "list[Example]", most: int) -> "list[Example]":
    return random.Random(_SEED).sample(examples, min(most, len(examples)))


def _fingerprint(base: Path, training: "list[Encoded]", start_from: Path | None) -> str:
    """Tells runs on other examples, of another base or from another adapter apart."""
    from knowledge.models import sha256

    origin = (base.name, start_from and sha256(start_from / "adapter_model.safetensors"))
    return hashlib.sha256(repr((origin, training)).encode()).hexdigest()[:16]


@finetune.command()
@click.option("--data", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Where train.jsonl and valid.jsonl are.  [default: finetune/ in the home folder]")  # fmt: skip
@click.option("--base", type=click.Path(exists=True, path_type=Path), metavar="MODEL",
              help="What is tuned: a GGUF file or a folder of transformers.  [default: SmolLM2]")  # fmt: skip
@click.option("--budget", default="2h", show_default=True, metavar="TIME", help="How long to search, such as 2h.")
@click.option("--trials", default=12, show_default=True, type=click.IntRange(1), help="How many runs share that time.")
@home_option
def tune(folder: Path | None, base: Path | None, budget: str, trials: int) -> None:
    """Search the learning rate and the mix that `train` uses, with --base the rank too. Stopped by Ctrl-C, the same
    command goes on."""
    from tqdm import tqdm

    from finetune.batches import encode
    from finetune.train import MOST_VALIDATED
    from finetune.tune import FOUND, search, write_found

    seconds = _seconds(budget) / trials
    folder = folder or settings().home / "finetune"
    examples, validation = _read((folder,))
    if not validation:
        raise NotesError(f"{folder / 'valid.jsonl'}: holds no examples to compare the runs on")
    loaded = _to_train(base)
    held_out = _some(validation, MOST_VALIDATED)
    _encoded(loaded, held_out, folder / "valid.jsonl")
    _encoded(loaded, [example for example in examples if example.cited], folder / "train.jsonl")
    start_from = _shipped(base)
    fingerprint = _fingerprint(loaded.path, encode(loaded, examples, _MOST_TOKENS), start_from)

    def tell(tried: "Plan", loss: float) -> None:
        tqdm.write(f"{_described(tried)}: validation loss {loss:.3f} after at most {tried.steps} steps")

    found = search(
        loaded, start_from, examples, held_out, _MOST_TOKENS, fingerprint, trials, seconds, folder / "tune", tell
    )
    write_found(folder, found)
    click.echo(f"{folder / FOUND}: {_described(found)}; `finetune train` uses them")


def _train(run: "Run", training: "list[Encoded]", validation: "list[Encoded]") -> None:
    from tqdm import tqdm

    tracker = _tracker(run.out, run.plan)
    try:
        with tqdm(total=run.plan.steps, initial=run.progress.step, unit="step", disable=None) as bar:

            def tell(progress: "Progress", loss: float) -> None:
                bar.set_postfix(loss=f"{loss:.2f}", valid=f"{progress.best:.3f}", refresh=False)
                bar.update()
                if tracker and progress.validation and progress.validation[-1][0] == progress.step:
                    tracker.log(progress)

            run.train(training, validation, tell)
    finally:
        _keep_curve(run)
        if tracker:
            tracker.log(run.progress)
    if tracker:
        tracker.end()


def _keep_curve(run: "Run") -> None:
    from finetune.plots import training

    curve = {"training": run.progress.training, "validation": run.progress.validation}
    (run.out / "training.json").write_text(json.dumps(curve), encoding="utf-8")
    (run.out / "training.png").write_bytes(training(run.progress))


def _tracker(out: Path, plan: "Plan") -> "Tracker | None":
    """What logs to MLflow; None where that is not installed."""
    try:
        from finetune.track import Tracker

        return Tracker(settings().home / "mlflow.sqlite", out, plan)
    except ImportError:
        click.echo("Not logged to MLflow, which is not installed: pip install 'askmynotes[finetune]'", err=True)
        return None


def _seconds(budget: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", budget.strip())
    if not match or not float(match[1]):
        raise click.BadParameter(f"{budget!r} is no time such as 20m or 2h", param_hint="--budget")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


_ADAPTER = click.argument("adapter", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
_BASE = click.option("--base", type=click.Path(exists=True, path_type=Path), metavar="MODEL",
                     help="What the adapter was trained on.  [default: the one that is shipped]")  # fmt: skip


def _last_adapter() -> Path:
    return settings().adapters / "mine" / "adapter"


def _adapter(folder: Path) -> Path:
    if not (folder / "adapter_model.safetensors").is_file():
        raise NotesError(f"{folder}: holds no adapter: make one with `askmynotes finetune train`")
    return folder


def _base_of(adapter: Path, base: Path | None) -> Path:
    """The model that an adapter is added to: the one that is named, else the one in models/ that the adapter names.

    Raises NotesError where that is not there.
    """
    from knowledge.models import BASE_LANGUAGE_MODEL

    if base:
        return base
    try:
        config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        name = Path(config["base_model_name_or_path"]).name
    except (OSError, ValueError, KeyError, TypeError):  # who reads the adapter tells what is wrong with it
        name = BASE_LANGUAGE_MODEL
    path = settings().models / name
    if name != BASE_LANGUAGE_MODEL and not path.exists():
        raise NotesError(f"{adapter}: was trained on {name}, which is not in {path.parent}: name it with --base")
    return path


#: What to do after each verdict of an evaluation.
_ADVICE = {
    "better": "Have the chat answer with it: {export}",
    "no clear difference": "Stay with what you have, or go on: more examples (`finetune data --questions`) tell more, "
    "and a longer run (`finetune train --budget 2h`) changes more.",
    "worse": "Stay with what you have. More examples help (`finetune data --questions`), and gentler settings: "
    "`finetune tune` looks for them.",
}


@finetune.command()
@_ADAPTER
@_BASE
@click.option("--data", "folders", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
              metavar="DIR",
              help="Where valid.jsonl is; may be given again.  [default: finetune/ in the home folder]")  # fmt: skip
@click.option("--against", metavar="ADAPTER|base",
              help="What it is compared with: another adapter, or the base alone.  [default: the shipped adapter; with "
              "--base the base]")  # fmt: skip
@click.option("--most", default=200, show_default=True, type=click.IntRange(2), help="Ask no more than so many.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html",
              help="Write a page with plots and every reply that changed.")  # fmt: skip
@home_option
@json_option
def evaluate(
    adapter: Path | None,
    base: Path | None,
    folders: tuple[Path, ...],
    against: str | None,
    most: int,
    report: Path | None,
    as_json: bool,
) -> None:
    """Tell whether an adapter, else the last one trained, is better than before, on examples held out from training.

    Stopped by Ctrl-C, the same command goes on. The result is kept beside the adapter, for the card of its export.
    """
    from tqdm import tqdm

    from finetune.base import load_base
    from finetune.device import dtype, for_replies
    from finetune.evaluate import as_dict, compare, table
    from finetune.export import MEASURED
    from finetune.train import read_plan, read_progress
    from knowledge.models import BASE_LANGUAGE_MODEL

    given, adapter = adapter, _adapter(adapter or _last_adapter())
    path = _base_of(adapter, base)
    own = base or (None if path.name == BASE_LANGUAGE_MODEL else path)
    before = _shipped(own) if against is None else None if against == "base" else _adapter(Path(against))
    folders = folders or (settings().home / "finetune",)
    examples = _some(_read_part(folders, "valid"), most)
    if len(examples) < 2:
        raise NotesError(
            f"{folders[0] / 'valid.jsonl'}: holds too few examples to compare on: make more with `askmynotes finetune "
            "data`"
        )
    device = for_replies(path)
    loaded = load_base(path, dtype(path, device), device)
    with tqdm(total=len(examples), unit="example", disable=None) as bar:
        compared = compare(loaded, before, adapter, examples, adapter / "replies.jsonl", bar.update)
    result = as_dict(compared)
    (adapter / MEASURED).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if (plan := read_plan(adapter.parent)) and (tracker := _tracker(adapter.parent, plan)):
        tracker.log_result(result["after"])
    if report:
        from finetune.report import render

        name = adapter.resolve().parent.name if adapter.name == "adapter" else adapter.name
        report.write_text(render(name, result, compared, read_progress(adapter.parent)), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo("\n".join(table(result)))
    if report:
        click.echo(f"{report}: every reply that changed")
    low, high = result["change"]
    click.echo(
        f"{result['verdict']}: the score of a reply changed by {low:+.3f} to {high:+.3f} on {len(examples)} examples. "
        f"{_ADVICE[result['verdict']].format(export=_command('export', given, base))}"
    )


@finetune.command()
@_ADAPTER
@_BASE
@click.option("--precision", type=click.Choice(["q8_0", "f16"]), default="q8_0", show_default=True)
@click.option(
    "--name", default="mine.gguf", show_default=True, metavar="FILE.gguf", help="What it is called in models/."
)
@home_option
def export(adapter: Path | None, base: Path | None, precision: str, name: str) -> None:
    """Add an adapter, else the last one trained, to its base and keep the result in models/: one file for the chat."""
    from finetune.export import agreement, measured
    from finetune.export import export as write
    from finetune.shipped import prompts

    if Path(name).name != name or not name.endswith(".gguf"):
        raise click.BadParameter(f"{name!r} is no file name that ends in .gguf", param_hint="--name")
    adapter = adapter or _last_adapter()
    base = _base_of(adapter, base)
    target = settings().models / name
    write(base, adapter, target, "f16" if precision == "f16" else "q8_0")
    click.echo(f"{target}: written; now both runtimes reply to the same prompts")
    pairs = agreement(base, adapter, target, prompts())
    same = sum(ours == theirs for ours, theirs in pairs)
    click.echo(f"{target}: replies as transformers does to {same} of {len(pairs)} prompts")
    found = measured(adapter)
    if found is None:
        click.echo("Whether it is better than its base was not measured: `askmynotes finetune evaluate` does.")
    elif found["verdict"] != "better":
        click.echo(f"It was not found to be better than its base: {found['verdict']}.")
    click.echo(f"Answer with it: askmynotes finetune use {name}")


@finetune.command()
@click.argument("name")
@home_option
def use(name: str) -> None:
    """Answer with this model from now on, in ask, chat and serve: a GGUF file of models/, an adapter folder, `extract`
    to quote the notes, `openai` for a server of yours, or `default` to go back to the model that is shipped."""
    from finetune.use import choose

    click.echo(choose(settings(), name))
