"""What tuning changed: the replies to held-out examples with one adapter, or none, and with another.

The measures have the names that they have in `askmynotes evaluate`. Here the model stands alone: the passages are
given, and nothing is checked, quoted or refused by anything but it.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from finetune.base import Base
from finetune.examples import Example
from knowledge.errors import NotesError
from knowledge.models import sha256
from knowledge.prompt import NOT_IN_NOTES, SEE, read_reply
from knowledge.scores import squad_words, token_f1

if TYPE_CHECKING:
    from peft import PeftModel

_MOST_TOKENS = 48
_AT_ONCE = 8
#: The 95% interval of a mean reaches so many standard errors to either side.
_INTERVAL = 1.96
#: On fewer things that are asked for nothing is clear of chance.
_FEWEST = 6

#: Of these measures less is better.
LESS = ("false_refusals",)
#: Each measure and what it says; of all others more is better.
MEASURES = {
    "f1": "token F1 of short answers, 0 where refused",
    "exact_match": "short answers that are word for word the known one",
    "pointed": "questions for a list, links or steps: the right passage pointed to",
    "citation_precision": "cited passages that are the right one",
    "cited_support": "answers whose words all stand in what they cite",
    "false_refusals": "refused, though a passage answers",
    "refusal_recall": "refused where no passage answers",
    "refusal_recall_missing": "… where the right passage is missing",
    "refusal_recall_near": "… where the passages are about the same thing",
}


@dataclass(frozen=True)
class Compared:
    """An example with the replies to it before and after."""

    example: Example
    before: str
    after: str


def compare(
    base: Base,
    before: Path | None,
    after: Path,
    examples: Sequence[Example],
    kept: Path,
    tell: Callable[[int], None],
) -> list[Compared]:
    """The replies to all examples, in their order, with the adapter `before` (None: without any) and the one `after`;
    `tell` hears how many more there are.

    They are kept in the file `kept` as they come, and not asked for again. Raises NotesError where an adapter is none
    of this base.
    """
    models = " ".join(
        [base.path.name, *(sha256(each / "adapter_model.safetensors") for each in (before, after) if each)]
    )
    keys = [hashlib.sha256(f"{models} {each.model_dump_json()}".encode()).hexdigest() for each in examples]
    replies = _read_kept(kept)
    left = [(key, example) for key, example in zip(keys, examples, strict=True) if key not in replies]
    tell(len(examples) - len(left))
    model = _adapted(base, before, after) if left else None
    left.sort(key=lambda pair: len(pair[1].prompt.user))
    with kept.open("a", encoding="utf-8") as file:
        for start in range(0, len(left), _AT_ONCE):
            some = left[start : start + _AT_ONCE]
            both = [_replies(base, model, [each for _, each in some], name) for name in ("before", "after")]
            for (key, _), first, second in zip(some, *both, strict=True):
                replies[key] = (first, second)
                # begun with a new line: the one before may have been cut off
                file.write("\n" + json.dumps({"key": key, "before": first, "after": second}))
            file.flush()
            tell(len(some))
    return [Compared(example, *replies[key]) for key, example in zip(keys, examples, strict=True)]


def _read_kept(path: Path) -> dict[str, tuple[str, str]]:
    """Replies by key; a last line that was cut off is passed over."""
    kept = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
            kept[entry["key"]] = (entry["before"], entry["after"])
        except (ValueError, KeyError, TypeError):
            continue
    return kept


def _adapted(base: Base, before: Path | None, after: Path) -> "PeftModel":
    from peft import PeftModel
    from safetensors import SafetensorError

    where: dict[str, Any] = {"local_files_only": True, "torch_device": base.model.device.type}
    loading = after
    try:
        model = PeftModel.from_pretrained(base.model, after, adapter_name="after", **where)
        if before:
            loading = before
            model.load_adapter(str(before), adapter_name="before", **where)
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise NotesError(f"{loading}: is no whole adapter of {base.path.name} ({reason})") from error
    return model.eval()


def _replies(base: Base, model: Any, examples: Sequence[Example], adapter: str) -> list[str]:
    """The likeliest replies with the adapter of that name; with none where there is none."""
    import torch

    rows = [base.prompt_ids(example.prompt) for example in examples]
    end = base.tokenizer.eos_token_id
    width = max(map(len, rows))
    ids = torch.tensor([[end] * (width - len(row)) + row for row in rows], device=model.device)
    seen = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device)
    has_it = adapter in model.peft_config
    if has_it:
        model.set_adapter(adapter)
    in_bfloat16 = torch.autocast(model.device.type, torch.bfloat16, enabled=model.device.type == "cuda")
    with in_bfloat16, nullcontext() if has_it else model.disable_adapter():
        written = model.generate(
            input_ids=ids, attention_mask=seen, do_sample=False, max_new_tokens=_MOST_TOKENS, pad_token_id=end
        )
    return base.tokenizer.batch_decode(written[:, width:], skip_special_tokens=True)


# -- scores --------------------------------------------------------------------------------------------------------


def observe(example: Example, reply: str) -> dict[str, float]:
    """What a reply says about each measure, 0 to 1."""
    said, numbers = read_reply(reply)
    refused = said.startswith(NOT_IN_NOTES.rstrip("."))
    if not example.cited:
        return {"refusal_recall": float(refused), f"refusal_recall_{example.kind}": float(refused)}
    seen = {"false_refusals": float(refused)}
    if example.answer == SEE:
        seen["pointed"] = float(said.rstrip(".") == SEE and set(numbers) == set(example.cited))
    else:
        seen["f1"] = 0.0 if refused else token_f1(said, example.answer)
        seen["exact_match"] = float(squad_words(said) == squad_words(example.answer))
    if not refused:
        seen["citation_precision"] = float(set(numbers) == set(example.cited))
        seen["cited_support"] = float(_is_supported(said, numbers, example))
    return seen


def _is_supported(said: str, numbers: Iterable[int], example: Example) -> bool:
    cited = [example.passages[number - 1] for number in numbers if 0 < number <= len(example.passages)]
    held = {word for passage in cited for line in (passage.heading, *passage.lines) for word in squad_words(line)}
    return bool(cited) and (said.rstrip(".") == SEE or set(squad_words(said)) <= held)


def score(example: Example, reply: str) -> float:
    """How good a reply is in all, 0 to 1: near the answer, pointing to the right passage, or rightly refused."""
    seen = observe(example, reply)
    return seen.get("f1", seen.get("pointed", seen.get("refusal_recall", 0.0)))


def summarise(pairs: Iterable[tuple[Example, str]]) -> dict[str, float]:
    """The mean of every measure that was observed."""
    pooled: dict[str, list[float]] = {}
    for example, reply in pairs:
        for name, value in observe(example, reply).items():
            pooled.setdefault(name, []).append(value)
    return {name: fmean(pooled[name]) for name in MEASURES if name in pooled}


def verdict(compared: Sequence[Compared]) -> tuple[str, float, float]:
    """ "better", "worse" or "no clear difference", and the 95% interval of the mean change of `score`.

    Only an interval that leaves 0 out is a difference: on few examples an adapter seems better or worse by chance. The
    ways to ask the same rise and fall together, so that they count as one: the standard error is robust to clusters
    (Liang and Zeger 1986, https://doi.org/10.1093/biomet/73.1.13).
    """
    changes = [score(each.example, each.after) - score(each.example, each.before) for each in compared]
    mean = fmean(changes)
    apart: dict[tuple[str, ...], float] = {}
    for each, change in zip(compared, changes, strict=True):
        asked_for = _asked_for(each.example)
        apart[asked_for] = apart.get(asked_for, 0.0) + change - mean
    many = len(apart)
    reach = _INTERVAL * math.sqrt(sum(sum_ * sum_ for sum_ in apart.values()) * many / max(1, many - 1)) / len(changes)
    low, high = mean - reach, mean + reach
    if many < _FEWEST:
        return "no clear difference", low, high
    return "better" if low > 0 else "worse" if high < 0 else "no clear difference", low, high


def _asked_for(example: Example) -> tuple[str, ...]:
    """The same for all ways to ask the same: the answer, where it stands, and what the example was made from; without
    an answer, what was found for the question."""
    found = [passage.heading for passage in example.passages]
    stands = [found[number - 1] for number in example.cited]
    return (example.source, example.answer, *(stands or found))


def as_dict(compared: Sequence[Compared]) -> dict[str, Any]:
    """The comparison as it is kept beside the adapter and in the card of an export."""
    told, low, high = verdict(compared)
    return {
        "examples": len(compared),
        "verdict": told,
        "change": [round(low, 4), round(high, 4)],
        "before": _rounded(summarise((each.example, each.before) for each in compared)),
        "after": _rounded(summarise((each.example, each.after) for each in compared)),
    }


def _rounded(summary: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in summary.items()}


def table(result: dict[str, Any]) -> Iterator[str]:
    """Lines for a terminal: each measure, before and after."""
    yield f"{'':72}{'before':>8}{'after':>8}"
    for name, label in MEASURES.items():
        if name in result["after"]:
            yield f"{label:72}{result['before'].get(name, math.nan):8.2f}{result['after'][name]:8.2f}"
