"""Where a model computes: on a CUDA GPU that has room for it, held in 4 bit where only that fits, else on the CPU."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from safetensors import SafetensorError

from knowledge.errors import NotesError

if TYPE_CHECKING:
    import torch

#: Bytes of a weight: in bfloat16; in 4 bit, with its constants quantised too (Dettmers et al. 2023,
#: https://arxiv.org/abs/2305.14314); in float32, as embeddings are held beside that.
BFLOAT16, _FOUR_BIT, FLOAT32 = 2.0, 0.52, 4.0
#: Tokens that are computed at once: eight rows of the longest examples.
_TOKENS = 8 * 768
#: Bytes that are kept of each token, layer and hidden unit: for the way back (Korthikanti et al. 2022,
#: https://arxiv.org/abs/2205.05198), of a layer's input alone where the rest is computed again, and for a reply.
_KEPT, _KEPT_OF_INPUTS, _KEPT_FOR_REPLIES = 34, 2, 4
#: As much of the free memory may be planned for: the rest is for what was not counted.
_SHARE = 0.8
#: What transformers raises at a model that is none or was cut off.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, struct.error, SafetensorError)


@dataclass(frozen=True)
class Device:
    """Where a model computes, whether its frozen weights are held in 4 bit, and why."""

    name: Literal["cpu", "cuda"]
    why: str
    four_bit: bool = False

    @property
    def place(self) -> str:
        """In words."""
        return "on the CPU" if self.name == "cpu" else "on the GPU in 4 bit" if self.four_bit else "on the GPU"

    def __str__(self) -> str:
        return f"{self.place}: {self.why}"


CPU = Device("cpu", "there is no CUDA GPU")


@dataclass(frozen=True)
class Size:
    """What a model holds: all its weights, those of the embeddings among them, hidden units and layers."""

    weights: int
    embedded: int
    hidden: int
    layers: int

    def training(self) -> float:
        """Bytes that LoRA needs on bfloat16 weights."""
        return BFLOAT16 * self.weights + _KEPT * self._units * self.layers

    def training_in_four_bit(self) -> float:
        """The same on weights in 4 bit, where of each layer only the input is kept, and the rest of one at a time."""
        return self._in_four_bit + (_KEPT_OF_INPUTS * self.layers + _KEPT) * self._units

    def replying(self, bytes_a_weight: float) -> float:
        """Bytes that writing replies needs."""
        return bytes_a_weight * self.weights + _KEPT_FOR_REPLIES * self._units * self.layers

    def replying_in_four_bit(self) -> float:
        return self._in_four_bit + _KEPT_FOR_REPLIES * self._units * self.layers

    @property
    def _units(self) -> int:
        return _TOKENS * self.hidden

    @property
    def _in_four_bit(self) -> float:
        return _FOUR_BIT * (self.weights - self.embedded) + FLOAT32 * self.embedded


def for_training(path: Path) -> Device:
    """Where to train adapters of the model in this folder or GGUF file."""
    if not (free := _free_on_gpu()):
        return CPU
    model = size(path)
    return choose(free, model.training(), model.training_in_four_bit(), _has_bitsandbytes())


def for_replies(path: Path) -> Device:
    """Where to have the model in this folder or GGUF file reply with adapters beside it."""
    if not (free := _free_on_gpu()):
        return CPU
    model = size(path)
    return choose(free, model.replying(BFLOAT16), model.replying_in_four_bit(), _has_bitsandbytes())


def for_merging(path: Path) -> Device:
    """Where to have the model in this folder or GGUF file reply with an adapter merged, which 4 bit would spoil."""
    if not (free := _free_on_gpu()):
        return CPU
    return choose(free, size(path).replying(FLOAT32))


def dtype(path: Path, device: Device) -> "torch.dtype":
    """What the model in this folder or GGUF file computes in there: bfloat16, but float32 on a CPU that has no unit for
    bfloat16, which is slower at it, where half of the free memory holds the weights so."""
    import psutil
    import torch

    if device.name == "cuda" or torch.cpu.get_capabilities().get("amx_bf16"):
        return torch.bfloat16
    fits = FLOAT32 * size(path).weights <= psutil.virtual_memory().available / 2
    return torch.float32 if fits else torch.bfloat16


def choose(free: float, full: float, four_bit: float | None = None, has_bitsandbytes: bool = False) -> Device:
    """By the bytes that are free on the GPU and those that a model needs there, in full precision and in 4 bit where
    that is a way."""
    room, has = _SHARE * free, f"{_gb(free)} GB of the GPU's memory are free"
    if full <= room:
        return Device("cuda", f"about {_gb(full)} GB are needed and {has}")
    if four_bit is None or four_bit > room:
        return Device("cpu", f"about {_gb(min(full, four_bit or full))} GB are needed and only {has}")
    needs = f"full precision needs about {_gb(full)} GB and {has}"
    if has_bitsandbytes:
        return Device("cuda", f"{needs}; 4 bit needs about {_gb(four_bit)} GB", four_bit=True)
    return Device(
        "cpu", f"{needs}; for 4 bit, which would fit, install bitsandbytes: pip install 'askmynotes[finetune-gpu]'"
    )


def size(path: Path) -> Size:
    """Of a folder of transformers or a GGUF file, by its description alone.

    Raises NotesError where it is none.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    folder, file = (path, None) if path.is_dir() else (path.parent, path.name)
    try:
        config = AutoConfig.from_pretrained(folder, gguf_file=file, local_files_only=True)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except UNREADABLE as error:
        raise NotesError(f"{path}: not a language model that transformers reads") from error
    ends = [module.weight for module in (model.get_input_embeddings(), model.get_output_embeddings()) if module]
    embedded = sum(weight.numel() for weight in {id(weight): weight for weight in ends}.values())
    return Size(model.num_parameters(), embedded, config.hidden_size, config.num_hidden_layers)


def _free_on_gpu() -> int:
    """Bytes; 0 where there is no GPU."""
    import torch

    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else 0


def _has_bitsandbytes() -> bool:
    from transformers.utils import is_bitsandbytes_available

    return is_bitsandbytes_available()


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f}"
