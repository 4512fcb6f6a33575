"""The model that is tuned: any causal language model that transformers loads, from a folder or a GGUF file."""

import warnings
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from finetune.device import CPU, UNREADABLE, Device
from knowledge.errors import NotesError
from knowledge.prompt import Prompt

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Base:
    """A model with its tokenizer; `path` is where it came from."""

    path: Path
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """The tokens of a prompt in the model's own chat markup, up to where the reply begins.

        Markup that stands in a note or a question stays plain text, as it does in the engines.
        """
        before, between, after = self.markup
        pieces = (before + prompt.system + between, prompt.user, after)
        return [
            token
            for piece, special in zip(pieces, (True, False, True), strict=True)
            for token in self.tokenizer(piece, add_special_tokens=False, split_special_tokens=not special)["input_ids"]
        ]

    @cached_property
    def markup(self) -> tuple[str, str, str]:
        """What the chat template writes before the system's turn, between it and the user's, and after that.

        Raises jinja2.TemplateError or ValueError where the template cannot be used.
        """
        from jinja2 import TemplateError

        turns = [{"role": "system", "content": "\0system"}, {"role": "user", "content": "\0user"}]
        try:
            before, rest = self._marked(turns).split("\0system")
            between, after = rest.split("\0user")
        except (TemplateError, ValueError):  # a template without system turns: the text opens the user's
            before, after = self._marked(turns[1:]).split("\0user")
            between = "\n\n"
        return before, between, after

    def _marked(self, turns: list[dict[str, str]]) -> str:
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    def reply_ids(self, reply: str) -> list[int]:
        """The tokens of a reply, with the one that ends it."""
        ids = self.tokenizer(reply, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return [*ids, self.tokenizer.eos_token_id]


def load_base(path: Path, dtype: "torch.dtype", device: Device = CPU) -> Base:
    """A model from a folder of transformers or a GGUF file, whose weights are unpacked, on a device.

    Raises NotesError where there is none, or none that transformers reads.
    """
    from jinja2 import TemplateError
    from transformers import AutoTokenizer
    from transformers.utils import logging

    if not path.exists():
        raise NotesError(f"{path}: there is no such model")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # of its own use of itself
    warnings.filterwarnings("ignore", "Could not find a config file", module="peft")  # of a base that is a GGUF file
    folder, file = (path, None) if path.is_dir() else (path.parent, path.name)
    try:
        with redirect_stderr(StringIO()):  # a bar for the unpacking of GGUF that nothing else turns off
            tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file, local_files_only=True)
            model = _load(path, dtype, device)
    except UNREADABLE as error:
        reason = str(error).strip().splitlines()[0]
        raise NotesError(f"{path}: not a language model that transformers reads ({reason})") from error
    except (ImportError, RuntimeError) as error:  # of bitsandbytes, and of CUDA where memory runs out
        raise NotesError(f"{path}: cannot be loaded {device.place}: {str(error).strip().splitlines()[0]}") from error
    if not tokenizer.chat_template:
        raise NotesError(f"{path}: the model has no chat template: choose an instruction-tuned one")
    base = Base(path, model, tokenizer)
    try:
        base.markup  # noqa: B018  read once, so that one that cannot be used is told here
    except (TemplateError, ValueError) as error:
        raise NotesError(f"{path}: its chat template cannot be used ({error})") from error
    return base


def _load(path: Path, dtype: "torch.dtype", device: Device) -> "PreTrainedModel":
    from transformers import AutoModelForCausalLM, GgufConfig

    folder, file = (path, None) if path.is_dir() else (path.parent, path.name)
    how: dict[str, Any] = {"dtype": dtype, "local_files_only": True}
    if file and device.four_bit:
        with TemporaryDirectory() as unpacked:  # transformers packs no GGUF file anew
            _load(path, dtype, CPU).save_pretrained(unpacked)
            return _load(Path(unpacked), dtype, device)
    if file:
        # else the package `kernels` would keep the weights packed, where no adapter can be trained beside them
        how |= {"gguf_file": file, "quantization_config": GgufConfig(dequantize=True)}
    if device.four_bit:
        how |= {"quantization_config": four_bit(), "device_map": {"": device.name}}
        return AutoModelForCausalLM.from_pretrained(folder, **how)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, **how)
    return model.to(device.name)


def four_bit() -> "BitsAndBytesConfig":
    """Weights in 4 bit as QLoRA has them (Dettmers et al. 2023): the levels of a normal distribution, their constants
    quantised too, computed with in bfloat16."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
