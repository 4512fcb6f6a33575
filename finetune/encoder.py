"""Teach the embedding model to find the section that answers; the adapter in `embedding/` was made so:
`python -m finetune.encoder --base FOLDER --squad SET.json --out FOLDER`.

A step takes questions over one collection of notes and compares each with many of its passages, as a search does: by
the cosine, by the coverage of its words, and by late interaction with the signs of the passages' word pieces. What
answers shall come first (InfoNCE: van den Oord, Li and Vinyals, "Representation Learning with Contrastive Predictive
Coding", 2018), and a passage that only seems to answer shall fit less well than one that does. Through the signs the
gradient passes as if they were not there (Bengio, Léonard and Courville, "Estimating or Propagating Gradients Through
Stochastic Neurons for Conditional Computation", 2013). The mean of several runs does better than each (Wortsman et al.,
"Model soups", ICML 2022).
"""

import hashlib
import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from finetune.dataset import Asked
from finetune.questions import index, read_own, read_squad
from knowledge.errors import NotesError
from knowledge.late_interaction import SMOOTH
from knowledge.models import EMBEDDING_BASE_SHA256, sha256
from knowledge.settings import Settings, load_settings
from knowledge.store import Store, temporary_store

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

NOTES = Path(__file__).resolve().parent / "collections"

#: What a step takes: questions, and passages that each of them is compared with.
_QUESTIONS, _PASSAGES = 32, 48
#: Word pieces that are read of a passage and of a question.
_PIECES = 256, 64
#: Passages go through the model in so many groups of like length, so that little is padding.
_GROUPS = 5
_BASE, _RANK, _LEARNING_RATE, _WARM_UP = "sentence-transformers/all-MiniLM-L6-v2", 16, 4e-4, 0.06
#: The share of steps on question sets; the others are on notes.
_SETS = 0.35
#: By what the score, the cosine alone and late interaction alone are divided, and what each weighs in the loss.
_TEMPERATURES, _WEIGHTS = (0.02, 0.05, 0.02), (1.0, 0.3, 0.3)
#: What telling a passage that answers from one that does not weighs beside them.
_TELLING = 0.3
#: How far the adapter that is saved goes from the base to what was learnt (Wortsman et al., "Robust fine-tuning of
#: zero-shot models", CVPR 2022).
_SHARE = 0.75
#: So many steps at most are lost where a run is stopped.
_CHECKPOINT_STEPS = 20


@dataclass(frozen=True)
class Question:
    """A question; the rows of the passages that it is about, one of a section or all, and whether they answer it; and
    by row how well the passages that share words with it cover them."""

    text: str
    about: frozenset[int]
    answerable: bool
    coverage: Mapping[int, float]


@dataclass(frozen=True)
class Collection:
    """The passages of one person's notes, as they are embedded, and questions over them."""

    passages: Sequence[str]
    questions: Sequence[Question]


def of_notes(notes: Path, settings: Settings) -> Collection:
    """A file of notes, with the questions of the `.jsonl` file beside it."""
    from ingest.pipeline import ingest

    with temporary_store(settings) as (store, there):
        ingest(store, there, [notes])
        return _collection(store, read_own(notes.with_suffix(".jsonl"), store))


def of_set(path: Path, settings: Settings) -> Iterator[Collection]:
    """The articles of a set in the format of SQuAD, each a collection."""
    documents, asked = read_squad(path)
    for article, questions in groupby(asked, lambda each: each.source):
        with temporary_store(settings) as (store, _):
            index(store, [document for document in documents if document.source.startswith(f"{article}/")])
            yield _collection(store, questions)


def _collection(store: Store, asked: Iterable[Asked]) -> Collection:
    chunks = [chunk for listed in store.documents() for chunk in store.get(listed.document.source)]
    rows = {chunk.vector_id: row for row, chunk in enumerate(chunks)}
    questions = []
    for each in asked:
        if each.chunk is None:
            continue
        section = each.chunk.section
        of_section = (row for row, chunk in enumerate(chunks) if chunk.section == section)
        about = frozenset([rows[each.chunk.vector_id]] if each.answers else of_section)
        coverage = {rows[hit.chunk.vector_id]: hit.coverage for hit in store.rank_sparse(each.question)}
        questions.append(Question(each.question, about, each.answerable, coverage))
    return Collection([chunk.embedded_text for chunk in chunks], questions)


# -- a step ----------------------------------------------------------------------------------------------------------


class Encoded(NamedTuple):
    """Texts as the model has them: unit vectors (texts, dimension), the vectors of their word pieces (texts, pieces,
    dimension), and which of these are words (texts, pieces)."""

    vectors: "torch.Tensor"
    tokens: "torch.Tensor"
    words: "torch.Tensor"


class Learner:
    """The embedding model in the folder `base` with a new adapter."""

    def __init__(self, base: Path, seed: int = 0) -> None:
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import AutoTokenizer, BertModel

        self.seed = seed
        torch.manual_seed(seed)
        self._tokenizer = AutoTokenizer.from_pretrained(base)
        # without dropout a step takes less than half the time
        bert = BertModel.from_pretrained(base, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        layers = ["query", "key", "value", "output.dense", "intermediate.dense"]
        self.model: PeftModel = get_peft_model(bert, LoraConfig(r=_RANK, lora_alpha=2 * _RANK, target_modules=layers))
        #: of telling an answer: the weights of the cosine and of the words met least, and the constant
        self.telling = torch.nn.Parameter(torch.tensor([5.0, 10.0, -6.0]))

    def encode(self, texts: Sequence[str], pieces: int, groups: int = 1) -> Encoded:
        import torch
        from torch.nn.functional import pad

        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        size = math.ceil(len(order) / groups)
        parts = [
            self._encode([texts[row] for row in order[start : start + size]], pieces)
            for start in range(0, len(order), size)
        ]
        longest = max(part.tokens.shape[1] for part in parts)
        back = torch.tensor(order).argsort()
        padded = [
            (part.vectors, pad(part.tokens, (0, 0, 0, missing)), pad(part.words, (0, missing)))
            for part in parts
            for missing in [longest - part.tokens.shape[1]]
        ]
        return Encoded(*(torch.cat(of_parts)[back] for of_parts in zip(*padded, strict=True)))

    def _encode(self, texts: Sequence[str], pieces: int) -> Encoded:
        from torch.nn.functional import normalize

        given = self._tokenizer(list(texts), padding=True, truncation=True, max_length=pieces, return_tensors="pt")
        tokens = self.model(**given).last_hidden_state
        mask = given["attention_mask"].unsqueeze(-1)
        vectors = normalize((tokens * mask).sum(1) / mask.sum(1), dim=1)
        return Encoded(vectors, tokens, self._words[given["input_ids"]])

    @cached_property
    def _words(self) -> "torch.Tensor":
        """For each piece of the vocabulary whether it holds a letter or a digit and is no special token."""
        import torch

        special = set(self._tokenizer.all_special_tokens)
        pieces = self._tokenizer.convert_ids_to_tokens(list(range(len(self._tokenizer))))
        return torch.tensor([piece not in special and any(map(str.isalnum, piece)) for piece in pieces])

    def loss(self, collection: Collection, chance: random.Random) -> "torch.Tensor":
        """The loss of one step, on questions and passages drawn from a collection."""
        import torch

        questions = chance.sample(collection.questions, min(_QUESTIONS, len(collection.questions)))
        rows = _drawn(questions, len(collection.passages), chance)
        asked = self.encode([question.text for question in questions], _PIECES[1])
        read = self.encode([collection.passages[row] for row in rows], _PIECES[0], _GROUPS)
        coverage = torch.tensor([[question.coverage.get(row, 0.0) for row in rows] for question in questions])
        about = torch.tensor([[row in question.about for row in rows] for question in questions])
        answerable = torch.tensor([question.answerable for question in questions])
        cosine = asked.vectors @ read.vectors.T
        tokens, least = late_interaction(asked, read)
        figures = ((cosine + coverage + 2 * tokens) / 4, cosine, tokens)
        loss = self._telling_loss(cosine, least, about, answerable)
        if answerable.any():
            for figure, temperature, weight in zip(figures, _TEMPERATURES, _WEIGHTS, strict=True):
                logits = (figure / temperature)[answerable]
                right = logits.masked_fill(~about[answerable], -math.inf)
                loss = loss + weight * (logits.logsumexp(1) - right.logsumexp(1)).mean()
        return loss

    def _telling_loss(
        self, cosine: "torch.Tensor", least: "torch.Tensor", about: "torch.Tensor", answerable: "torch.Tensor"
    ) -> "torch.Tensor":
        """How badly the figures of what each question is about tell whether it is answered; both kinds weigh alike."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        best = [figure.masked_fill(~about, -1.0).amax(1) for figure in (cosine, least)]
        logits = self.telling[0] * best[0] + self.telling[1] * best[1] + self.telling[2]
        answered = answerable.float()
        share = answered.mean().clamp(0.01, 0.99)
        weights = answered * (1 - share) + (1 - answered) * share
        return _TELLING * binary_cross_entropy_with_logits(logits, answered, weights / weights.sum(), reduction="sum")


def _drawn(questions: Sequence[Question], passages: int, chance: random.Random) -> list[int]:
    """The rows of what the questions are about, and of others as far as there is room."""
    about = set().union(*(question.about for question in questions))
    others = [row for row in range(passages) if row not in about]
    return [*sorted(about), *chance.sample(others, min(len(others), max(0, _PASSAGES - len(about))))]


def late_interaction(asked: Encoded, read: Encoded) -> "tuple[torch.Tensor, torch.Tensor]":
    """What `knowledge.late_interaction` finds, with a gradient: for each question and passage the mean of `met` and
    `least`, of shape (questions, passages). A passage without words is met with -1."""
    import torch
    from torch.nn.functional import normalize

    dimension = asked.tokens.shape[-1]
    passages = normalize(read.tokens, dim=-1) * math.sqrt(dimension)
    signs = passages + (torch.where(read.tokens > 0, 1.0, -1.0) - passages).detach()
    words = normalize(asked.tokens, dim=-1)[asked.words] / math.sqrt(dimension)
    met = (words @ signs.flatten(0, 1).T).view(len(words), *read.words.shape)
    best = met.masked_fill(~read.words, -1.0).amax(-1)
    question = torch.arange(len(asked.words)).unsqueeze(1).expand_as(asked.words)[asked.words]
    return _mean_by(question, best, len(asked.words)), -SMOOTH * _mean_by(
        question, torch.exp(-best / SMOOTH), len(asked.words)
    ).clamp(min=1e-12).log()


def _mean_by(group: "torch.Tensor", values: "torch.Tensor", groups: int) -> "torch.Tensor":
    import torch

    counts = torch.bincount(group, minlength=groups).clamp(min=1).unsqueeze(1)
    return torch.zeros(groups, values.shape[1]).index_add(0, group, values) / counts


# -- training --------------------------------------------------------------------------------------------------------


class Run:
    """A run of so many steps on notes and question sets, which goes on from the file `checkpoint` where it was stopped.

    Raises NotesError where the checkpoint is of other texts or of another number of steps.
    """

    def __init__(
        self,
        learner: Learner,
        notes: Sequence[Collection],
        sets: Sequence[Collection],
        steps: int,
        checkpoint: Path,
    ) -> None:
        import torch

        self.learner, self.steps, self.step = learner, steps, 0
        self._notes, self._sets, self.checkpoint = notes, sets, checkpoint
        self._plan = hashlib.sha256(repr((steps, notes, sets)).encode()).hexdigest()
        self._chance = random.Random(learner.seed)
        self._weights = [weight for weight in learner.model.parameters() if weight.requires_grad]
        groups = [{"params": self._weights, "lr": _LEARNING_RATE}, {"params": [learner.telling], "lr": 0.1}]
        self._optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, lambda step: _rate(step + 1, steps))
        if checkpoint.is_file():
            self._resume()

    def train(self) -> Iterator[float]:
        """Take the steps that are left, and give the loss of each."""
        import torch

        while self.step < self.steps:
            drawn_from = self._sets if self._sets and self._chance.random() < _SETS else self._notes
            [collection] = self._chance.choices(drawn_from, [math.sqrt(len(each.questions)) for each in drawn_from])
            loss = self.learner.loss(collection, self._chance)
            self._optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
            self._optimiser.step()
            self._schedule.step()
            self.step += 1
            if self.step % _CHECKPOINT_STEPS == 0 or self.step == self.steps:
                self._save()
            yield loss.item()

    def _save(self) -> None:
        import torch

        state = {
            "plan": self._plan,
            "step": self.step,
            "chance": self._chance.getstate(),
            "weights": [weight.detach() for weight in (*self._weights, self.learner.telling)],
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
        }
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, self.checkpoint.with_suffix(".new"))
        self.checkpoint.with_suffix(".new").replace(self.checkpoint)

    def _resume(self) -> None:
        import torch

        state = torch.load(self.checkpoint, weights_only=True)
        if state["plan"] != self._plan:
            raise NotesError(f"{self.checkpoint}: is of other texts or steps: go on with those, or remove it")
        with torch.no_grad():
            for weight, kept in zip((*self._weights, self.learner.telling), state["weights"], strict=True):
                weight.copy_(kept)
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._chance.setstate(state["chance"])
        self.step = state["step"]


def _rate(step: int, steps: int) -> float:
    """The learning rate as a share of the highest: it rises evenly, and falls with half a cosine."""
    return min(1.0, step / (_WARM_UP * steps)) * (0.5 + 0.5 * math.cos(math.pi * step / steps))


def save(learners: Sequence[Learner], out: Path) -> None:
    """Write _SHARE of the mean of several adapters as one, as PEFT saves it: of a rank that is the sum of theirs."""
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    learners[0].model.save_pretrained(str(out))
    states = [get_peft_model_state_dict(learner.model) for learner in learners]
    # what is added to a weight is the product of both, A with a row and B with a column for each rank
    mean = {
        name: torch.cat([state[name] for state in states], dim=0 if "lora_A" in name else 1)
        / (1 if "lora_A" in name else len(states))
        for name in states[0]
    }
    save_file({name: weight.half().contiguous() for name, weight in mean.items()}, out / "adapter_model.safetensors")
    file = out / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["target_modules"].sort()  # PEFT keeps a set
    config |= {
        "r": _RANK * len(states),
        "lora_alpha": int(_SHARE * 2 * _RANK * len(states)),
        "base_model_name_or_path": _BASE,
    }
    file.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def merge(adapter: Path, folder: Path) -> None:
    """Add an adapter to the weights in the folder of its base."""
    import warnings

    from peft import PeftModel
    from transformers import BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the two libraries will change for each other
        tuned = PeftModel.from_pretrained(BertModel.from_pretrained(folder), str(adapter))
        tuned.merge_and_unload().save_pretrained(folder)


@click.command()
@click.option("--base", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="all-MiniLM-L6-v2, as sentence-transformers saves it.")  # fmt: skip
@click.option("--squad", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A question set in the format of SQuAD (may be given again).")  # fmt: skip
@click.option("--steps", default=500, show_default=True, type=click.IntRange(min=1))
@click.option("--runs", default=2, show_default=True, type=click.IntRange(min=1),
              help="So many adapters are trained, and their mean is kept.")  # fmt: skip
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path),
              help="A folder for the adapter.")  # fmt: skip
def main(base: Path, squad: tuple[Path, ...], steps: int, runs: int, out: Path) -> None:
    """Make an adapter of the embedding model, from the collections beside this file and question sets.

    Stopped, the same command goes on.
    """
    from tqdm import tqdm

    try:
        _check(base)
        settings = load_settings()
        notes = [of_notes(file, settings) for file in tqdm(sorted(NOTES.glob("*.md")), "notes")]
        sets = [collection for path in squad for collection in tqdm(of_set(path, settings), path.stem)]
        done = [Run(Learner(base, seed), notes, sets, steps, out / f"run-{seed + 1}.pt") for seed in range(runs)]
        for number, run in enumerate(done, 1):
            bar = tqdm(run.train(), f"run {number} of {runs}", total=steps, initial=run.step)
            for loss in bar:
                bar.set_postfix(loss=f"{loss:.3f}")
        save([run.learner for run in done], out)
        for run in done:
            run.checkpoint.unlink()
    except NotesError as error:
        raise click.ClickException(str(error)) from error


def _check(base: Path) -> None:
    weights = base / "model.safetensors"
    if not weights.is_file() or sha256(weights) != EMBEDDING_BASE_SHA256:
        raise NotesError(f"{base}: is not the model that set-up adds the adapter to: name the folder of {_BASE}")


if __name__ == "__main__":
    main()
