"""Speed of training, over a bare PyTorch loop on the same batches in the same run."""

import json
import tempfile
from itertools import islice
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from finetune.base import load_base
from finetune.batches import batches, encode, tensors
from finetune.device import CPU, dtype
from finetune.examples import Example, Passage
from finetune.train import Plan, Run
from knowledge.models import BASE_LANGUAGE_MODEL
from tests.benchmarks.speed import ratio, seconds
from tests.conftest import ROOT

_STEPS = 6


def steps(models: Path) -> str:
    """A step of ours over one of a bare loop: the same LoRA in as many bits, the loss of transformers, AdamW.

    Both take turns on the same batches, the first of which is not counted.
    """
    path = models / BASE_LANGUAGE_MODEL
    ours, theirs = (load_base(path, dtype(path, CPU)) for _ in range(2))
    plan = Plan(steps=_STEPS)
    shown = islice(batches(encode(ours, _examples(), 768), plan.batch, plan.seed), _STEPS + 1)
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    with tempfile.TemporaryDirectory() as out:
        run = Run(ours, plan, Path(out))
        bare = _bare_loop(theirs.model, plan)
        for batch in shown:
            times["ours"].append(seconds(lambda batch=batch: run._step(batch)))
            times["bare"].append(seconds(lambda batch=batch: bare(batch)))
    return ratio(f"a step of {plan.batch} examples", times["ours"][1:], "a bare loop", times["bare"][1:])


def _bare_loop(model, plan):
    model.requires_grad_(False)
    adapted = get_peft_model(
        model,
        LoraConfig(task_type="CAUSAL_LM", r=plan.rank, lora_alpha=2 * plan.rank, target_modules="all-linear"),
        autocast_adapter_dtype=False,
    )
    optimiser = torch.optim.AdamW([weight for weight in adapted.parameters() if weight.requires_grad], lr=1e-4)

    def step(batch):
        for half in (batch[: plan.batch // 2], batch[plan.batch // 2 :]):
            ids, labels = tensors(half, adapted.device)
            shifted = torch.cat([torch.full((len(half), 1), -100), labels[:, :-1]], 1)
            adapted(input_ids=ids, labels=shifted, use_cache=False).loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def _examples() -> list[Example]:
    """Our own questions, each over its section."""
    folder = ROOT / "finetune" / "collections"
    parts = (part.splitlines() for part in (folder / "articles-1.md").read_text().split("\n## ")[1:])
    sections = {heading: tuple(filter(None, lines)) for heading, *lines in parts}
    entries = map(json.loads, (folder / "articles-1.jsonl").read_text().splitlines())
    return [
        Example(
            question=entry["q"],
            passages=(Passage(heading=entry["section"], lines=sections[entry["section"]]),),
            answer=entry["answers"][0],
            cited=(1,),
            source="articles-1",
        )
        for entry in entries
        if entry.get("answers")
    ]
