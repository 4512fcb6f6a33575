"""Examples as tokens, and the order in which they are trained on."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.base import Base
from finetune.examples import Example

if TYPE_CHECKING:
    import torch

#: How many batches are put together from examples of like length.
_BATCHES_A_POOL = 32
#: Rows are filled up to a multiple of this: fewer shapes; closer ones were no faster (tests/benchmarks/README.md).
_WIDTHS = 32


@dataclass(frozen=True)
class Encoded:
    """The tokens of a prompt and of its reply."""

    prompt: tuple[int, ...]
    reply: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.reply)


def encode(base: Base, examples: Sequence[Example], most_tokens: int) -> list[Encoded]:
    """The examples that fit into `most_tokens`, as tokens."""
    encoded = (
        Encoded(tuple(base.prompt_ids(example.prompt)), tuple(base.reply_ids(example.reply))) for example in examples
    )
    return [each for each in encoded if len(each) <= most_tokens]


def batches(encoded: Sequence[Encoded], size: int, seed: int) -> Iterator[list[Encoded]]:
    """Batches of `size` examples without end, epoch after epoch, the same ones for the same seed.

    Examples of like length stand together, so that hardly any of a batch is padding.
    """
    epoch = 0
    while True:
        chance = random.Random(f"{seed} {epoch}")
        order = list(encoded)
        chance.shuffle(order)
        for start in range(0, len(order), size * _BATCHES_A_POOL):
            pool = sorted(order[start : start + size * _BATCHES_A_POOL], key=len)
            cut = [pool[first : first + size] for first in range(0, len(pool), size)]
            chance.shuffle(cut)
            yield from cut
        epoch += 1


def tensors(batch: Sequence[Encoded], device: "torch.device") -> "tuple[torch.Tensor, torch.Tensor]":
    """Token ids of shape (batch, width), and labels: the reply's tokens one place to the left, -100 elsewhere.

    Short rows are filled up at their ends, which causal attention never looks at, so no mask is needed.
    """
    import torch

    width = -(-max(map(len, batch)) // _WIDTHS) * _WIDTHS
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    labels = torch.full((len(batch), width), -100)
    for row, each in enumerate(batch):
        ids[row, : len(each)] = torch.tensor(each.prompt + each.reply)
        first = len(each.prompt) - 1
        labels[row, first : first + len(each.reply)] = torch.tensor(each.reply)
    return ids.to(device), labels.to(device)
