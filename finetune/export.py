"""A tuned model as one GGUF file, which GPT4All runs: the adapter added to the base's weights, and a card beside it.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The same base and adapter make the same bytes on
every machine: only sums and products of single numbers are taken, in a fixed order, which IEEE 754 lays down to the
bit. Matrix products of a library are not, they differ between processors; so PEFT's own merge is left for `agreement`.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from finetune.base import Base, load_base
from finetune.device import for_merging
from knowledge.errors import NotesError
from knowledge.models import CARD_SUFFIX, sha256
from knowledge.prompt import Prompt
from knowledge.runtime import GREEDY, chat_markup, load

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFValueType

    #: a value of GGUF's metadata, its type, and the type of its items where it is a list
    Metadata = dict[str, tuple[Any, GGUFValueType, GGUFValueType | None]]

Precision = Literal["q8_0", "f16"]

#: What was measured of an adapter, and what it was trained on, in its folder.
MEASURED, DATA = "evaluation.json", "data.json"

_PREFIX = "base_model.model."
_ADAPTER_WEIGHTS = "adapter_model.safetensors"
#: Settings of PEFT that do not change what is added to the weights, and those that are reckoned with.
_PLAIN_SETTINGS = frozenset(
    "auto_mapping base_model_name_or_path bias exclude_modules inference_mode layers_pattern layers_to_transform "
    "lora_alpha lora_dropout megatron_core peft_type peft_version qalora_group_size r revision target_modules "
    "task_type use_rslora".split()
)
#: What is said of the base's own numbers and file, and is not true of the new one.
_BASE_ONLY = re.compile(r"GGUF\.|split\.|quantize\.|general\.(architecture|alignment|file_type|quantization_version)$")
#: Names that GPT4All's llama.cpp does not know yet, and the one that stands there for the same regular expressions.
_OLDER_PRE_TOKENIZERS = {"smollm": "starcoder"}
_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
_DIGITS = {"type": "Digits", "individual_digits": True}
_PRE_TOKENIZERS = {"gpt-2": [_BYTES], "starcoder": [_DIGITS, _BYTES]}


@dataclass(frozen=True)
class _Source:
    """A base in GGUF's terms: metadata, and float32 weights under their names there."""

    metadata: "Metadata"
    weights: "Iterable[tuple[str, np.ndarray]]"

    def value(self, key: str, default: Any = None) -> Any:
        return self.metadata[key][0] if key in self.metadata else default

    def pair_rows(self, name: str, rows: "np.ndarray") -> "np.ndarray":
        """The rows of a query or key projection in GGUF's order; of any other tensor, as they are.

        What a rotary embedding turns together lies half a head apart in transformers, and side by side in GGUF.
        """
        heads = self.value("llama.attention.head_count")
        counts = {"attn_q": heads, "attn_k": self.value("llama.attention.head_count_kv", heads)}
        count = counts.get(name.split(".")[-2])
        if not count:
            return rows
        halves = rows.reshape(count, 2, rows.shape[0] // count // 2, *rows.shape[1:])
        return halves.swapaxes(1, 2).reshape(rows.shape)


def export(base: Path, adapter: Path, target: Path, precision: Precision) -> None:
    """Write the GGUF file `target` and its card, with what was measured of the adapter.

    `base` is a GGUF file or a folder of transformers, of the llama architecture; `adapter` a folder with a LoRA of it,
    as PEFT saves it. Raises NotesError where one of them is something else, or the file cannot be written.
    """
    if target.resolve() == base.resolve():
        raise NotesError(f"{target}: is the model that was tuned: give the new one another name")
    changes = _read_adapter(adapter)
    source = _from_folder(base) if base.is_dir() else _from_gguf(base)
    part, card_part = (target.with_name(target.name + suffix) for suffix in (".part", CARD_SUFFIX + ".part"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_gguf(part, source, _merged(source, changes, adapter), precision)
        card = {
            "measured": measured(adapter),
            "data": _read(adapter / DATA),
            "chat_template": source.value("tokenizer.chat_template", ""),
            "eos": _token(source, "eos"),
            "sha256": sha256(part),
            "precision": precision,
            "base": {"name": base.name, "sha256": _weights_sha256(base), "licence": source.value("general.license")},
            "adapter": {"sha256": sha256(adapter / _ADAPTER_WEIGHTS)},
        }
        card_part.write_text(json.dumps(card, indent=1), encoding="utf-8")
        os.replace(card_part, target.with_name(target.name + CARD_SUFFIX))
        os.replace(part, target)
    except OSError as error:
        raise NotesError(f"{target}: could not be written ({error.strerror or error})") from error
    finally:
        for left in (part, card_part):
            with suppress(OSError):
                left.unlink()


def measured(adapter: Path) -> dict[str, Any] | None:
    """What `askmynotes finetune evaluate` found of an adapter."""
    return _read(adapter / MEASURED)


def _read(file: Path) -> dict[str, Any] | None:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def agreement(
    base: Path, adapter: Path, gguf: Path, prompts: Sequence[Prompt], max_tokens: int = 32
) -> list[tuple[str, str]]:
    """For each prompt the likeliest reply of transformers (float32, merged by PEFT) and of GPT4All with the file.

    Replies of unequal words are no error by themselves: rounding can decide between two tokens that are as likely.
    """
    ours = _transformers_replies(base, adapter, prompts, max_tokens)
    theirs = _gpt4all_replies(gguf, prompts, max_tokens)
    part_of_a_letter = "\N{REPLACEMENT CHARACTER}"  # what a reply that was cut off may end with
    return [(a.rstrip(part_of_a_letter), b.rstrip(part_of_a_letter)) for a, b in zip(ours, theirs, strict=True)]


def _transformers_replies(base: Path, adapter: Path, prompts: Sequence[Prompt], max_tokens: int) -> list[str]:
    import torch
    from peft import PeftModel
    from tqdm import tqdm

    loaded = load_base(base, torch.float32)
    adapted: Any = PeftModel.from_pretrained(loaded.model, adapter, local_files_only=True, torch_device="cpu")
    model = adapted.merge_and_unload().eval().to(for_merging(base).name)
    replies = []
    for prompt in tqdm(prompts, desc="transformers", unit="prompt", disable=None):
        ids = torch.tensor([loaded.prompt_ids(prompt)], device=model.device)
        end = loaded.tokenizer.eos_token_id
        written = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=max_tokens, pad_token_id=end
        )
        reply = [token for token in written[0, ids.shape[1] :].tolist() if token != end]
        replies.append(str(loaded.tokenizer.decode(reply)))
    return replies


def _gpt4all_replies(gguf: Path, prompts: Sequence[Prompt], max_tokens: int) -> list[str]:
    from tqdm import tqdm

    markup = chat_markup(gguf)
    model = load(gguf)
    replies = []
    try:
        for prompt in tqdm(prompts, desc="GPT4All", unit="prompt", disable=None):
            pieces: list[str] = []
            system = markup.before_system + prompt.system + markup.after_system
            model.prompt_model(
                system, "%1%2", lambda token, text: True, n_predict=0, reset_context=True, special=True, **GREEDY
            )
            model.prompt_model(
                prompt.user,
                markup.user,
                lambda token, text, pieces=pieces: not pieces.append(text),
                n_predict=max_tokens,
                special=False,
                **GREEDY,
            )
            replies.append("".join(pieces))
    finally:
        model.close()
    return replies


# -- the adapter ----------------------------------------------------------------------------------------------------


def _read_adapter(folder: Path) -> "dict[str, tuple[np.ndarray, np.ndarray]]":
    """By module of transformers the factors of what is added to its weights: (rows, rank), scaled, and (rank, columns).

    Raises NotesError where the folder holds no plain LoRA in safetensors.
    """
    settings = _read_settings(folder)
    try:
        scale = settings["lora_alpha"] / settings["r"] ** (0.5 if settings.get("use_rslora") else 1)
        factors = _read_factors(folder / _ADAPTER_WEIGHTS)
        return {
            module.removeprefix(_PREFIX): (found["B"] * found["B"].dtype.type(scale), found["A"])
            for module, found in factors.items()
        }
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise NotesError(f"{folder}: not a whole adapter ({error})") from error


def check_format(folder: Path) -> None:
    """Raises NotesError where an adapter is not in safetensors: PEFT reads pickle files too."""
    if not (folder / _ADAPTER_WEIGHTS).is_file():
        if any(folder.glob("adapter_model.*")):
            raise NotesError(f"{folder}: only adapters in safetensors are read: save it as {_ADAPTER_WEIGHTS}")
        raise NotesError(f"{folder}: holds no adapter ({_ADAPTER_WEIGHTS})")


def _read_settings(folder: Path) -> dict[str, Any]:
    check_format(folder)
    try:
        settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        kind = settings["peft_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotesError(f"{folder}/adapter_config.json: cannot be read ({error})") from error
    if kind != "LORA":
        raise NotesError(f"{folder}: a {kind} adapter, and only LoRA can be exported")
    odd = {name for name, value in settings.items() if value and name not in _PLAIN_SETTINGS}
    if settings.get("init_lora_weights") is True:
        odd.discard("init_lora_weights")
    if odd:
        raise NotesError(f"{folder}: only plain LoRA can be exported, and its settings have {', '.join(sorted(odd))}")
    return settings


def _read_factors(path: Path) -> "dict[str, dict[str, np.ndarray]]":
    """By module its `A` and `B`, in float32."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise NotesError(f"{path}: not a whole safetensors file ({error})") from error
    factors: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"(.+)\.lora_([AB])\.weight", name)
        if not match:
            raise NotesError(f"{path}: only plain LoRA can be exported, and it holds {name}")
        if not torch.isfinite(tensor).all():
            raise NotesError(f"{path}: {name} holds numbers that are not finite: the training went wrong")
        factors.setdefault(match[1], {})[match[2]] = tensor.float().numpy()
    return factors


def _merged(
    source: _Source, changes: "Mapping[str, tuple[np.ndarray, np.ndarray]]", adapter: Path
) -> "Iterator[tuple[str, np.ndarray]]":
    """The weights with what the adapter adds to them. Raises NotesError where it is an adapter of another model."""
    names = _tensor_names(source.value("llama.block_count"))
    left = {names(f"{module}.weight") or module: factors for module, factors in changes.items()}
    for name, weight in source.weights:
        if name in left:
            rows, columns = left.pop(name)
            if (rows.shape[0], columns.shape[1]) != weight.shape or rows.shape[1] != columns.shape[0]:
                raise NotesError(f"{adapter}: is an adapter of another model: {name} has another shape")
            weight = weight + _product(source.pair_rows(name, rows), columns)
        yield name, weight
    if left:
        raise NotesError(f"{adapter}: is an adapter of another model: there is no {min(left)} in this one")


def _product(rows: "np.ndarray", columns: "np.ndarray") -> "np.ndarray":
    """The product of (rows, rank) and (rank, columns) matrices, to the same bits everywhere."""
    import numpy as np

    total = np.zeros((rows.shape[0], columns.shape[1]), np.float32)
    term = np.empty_like(total)
    for column, row in zip(rows.T, columns, strict=True):
        np.multiply(column[:, None], row, out=term)
        total += term
    return total


def _tensor_names(blocks: int) -> Any:
    """A function from the names of transformers to those of GGUF, or None."""
    from gguf import MODEL_ARCH, get_tensor_name_map

    found = get_tensor_name_map(MODEL_ARCH.LLAMA, blocks)
    return lambda name: found.get_name(name, try_suffixes=(".weight", ".bias"))


# -- the base -------------------------------------------------------------------------------------------------------


def _from_gguf(path: Path) -> _Source:
    """Straight from the file, so that nothing of it is lost on the way through transformers."""
    from gguf import GGUFReader, GGUFValueType, dequantize

    if not path.is_file():
        raise NotesError(f"{path}: there is no such model")
    try:
        reader = GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
    except Exception as error:  # the reader raises whatever numpy and struct do on bytes that make no sense
        raise NotesError(f"{path}: not a whole GGUF file") from error
    _refuse_other_than_llama(path, fields.get("general.architecture"))
    if older := _OLDER_PRE_TOKENIZERS.get(str(fields.get("tokenizer.ggml.pre"))):
        fields["tokenizer.ggml.pre"] = older
    metadata = {
        name: (fields[name], field.types[0], field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None)
        for name, field in reader.fields.items()
        if not _BASE_ONLY.match(name)
    }
    return _Source(metadata, ((each.name, dequantize(each.data, each.tensor_type)) for each in reader.tensors))


def _refuse_other_than_llama(path: Path, architecture: object) -> None:
    if architecture != "llama":
        raise NotesError(f"{path}: a model of the architecture {architecture}, and only llama can be exported")


def _from_folder(path: Path) -> _Source:
    import torch

    base = load_base(path, torch.float32)
    config = base.model.config
    _refuse_other_than_llama(path, config.model_type)
    if (kind := config.rope_parameters["rope_type"]) != "default":
        raise NotesError(f"{path}: its rotary embedding ({kind}) can be exported only where the base is a GGUF file")
    source = _Source(_folder_metadata(base), [])
    names = _tensor_names(config.num_hidden_layers)
    tensors = base.model.state_dict()
    if config.tie_word_embeddings:
        del tensors["lm_head.weight"]
    weights = (
        (name, source.pair_rows(name, tensor.numpy())) for name, tensor in ((names(n), t) for n, t in tensors.items())
    )
    return _Source(source.metadata, weights)


def _folder_metadata(base: Base) -> "Metadata":
    from gguf import GGUFValueType

    config = base.model.config
    readme = base.path / "README.md"
    licence = re.search(r"^license: *(\S+)", readme.read_text(encoding="utf-8"), re.M) if readme.is_file() else None
    plain = {
        "general.type": "model",
        "general.name": base.path.resolve().name,
        **({"general.license": licence[1]} if licence else {}),
        "llama.block_count": config.num_hidden_layers,
        "llama.context_length": config.max_position_embeddings,
        "llama.embedding_length": config.hidden_size,
        "llama.feed_forward_length": config.intermediate_size,
        "llama.attention.head_count": config.num_attention_heads,
        "llama.attention.head_count_kv": config.num_key_value_heads,
        "llama.attention.key_length": config.head_dim,
        "llama.attention.value_length": config.head_dim,
        "llama.attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "llama.rope.dimension_count": config.head_dim,
        "llama.rope.freq_base": float(config.rope_parameters["rope_theta"]),
        "llama.vocab_size": config.vocab_size,
        **_tokenizer_metadata(base),
    }

    def typed(value: Any) -> "tuple[Any, GGUFValueType, None]":
        kind = GGUFValueType.get_type(value)
        return value, GGUFValueType.UINT32 if kind == GGUFValueType.INT32 else kind, None

    return {key: typed(value) for key, value in plain.items()}


def _tokenizer_metadata(base: Base) -> dict[str, Any]:
    """Of the file `tokenizer.json` itself: transformers drops the step of some tokenizers that parts digits."""
    from gguf import TokenType

    try:
        read = json.loads((base.path / "tokenizer.json").read_text(encoding="utf-8"))
        model, added = read["model"], read["added_tokens"]
        pre_tokenizer = _pre_tokenizer(read["pre_tokenizer"])
        merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotesError(
            f"{base.path}: only models with a byte-level BPE tokenizer (tokenizer.json) like that of SmolLM2 can be "
            "exported from a folder"
        ) from error
    count = base.model.config.vocab_size
    # GPT4All ends the whole process at a token without text, which one of the type UNUSED has not
    tokens, types = [f"[PAD{number}]" for number in range(count)], [int(TokenType.CONTROL)] * count
    for token, number in model["vocab"].items():
        tokens[number], types[number] = token, int(TokenType.NORMAL)
    for each in added:
        kind = TokenType.CONTROL if each["special"] else TokenType.USER_DEFINED
        tokens[each["id"]], types[each["id"]] = each["content"], int(kind)
    numbers = {kind: getattr(base.tokenizer, f"{short}_token_id") for kind, short in _SPECIAL.items()}
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre_tokenizer,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": merges,
        **{f"tokenizer.ggml.{kind}_token_id": number for kind, number in numbers.items() if number is not None},
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.ggml.add_bos_token": base.tokenizer("")["input_ids"] == [base.tokenizer.bos_token_id],
        "tokenizer.chat_template": base.tokenizer.get_chat_template(),
    }


_SPECIAL = {"bos": "bos", "eos": "eos", "unknown": "unk", "padding": "pad"}


def _pre_tokenizer(described: Mapping[str, Any]) -> str:
    """llama.cpp's name of a pre-tokenizer; ValueError where it has none."""
    steps = described.get("pretokenizers", [described])
    steps = [{key: value for key, value in step.items() if key != "trim_offsets"} for step in steps]
    for name, known in _PRE_TOKENIZERS.items():
        if steps == known:
            return name
    raise ValueError(steps)


def _token(source: _Source, kind: str) -> str:
    number = source.value(f"tokenizer.ggml.{kind}_token_id")
    return "" if number is None else source.value("tokenizer.ggml.tokens")[number]


def _weights_sha256(base: Path) -> str:
    """Of a file itself, of a folder its weights one after the other."""
    if base.is_file():
        return sha256(base)
    digest = hashlib.sha256()
    for path in sorted(base.glob("*.safetensors")):
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


# -- the file -------------------------------------------------------------------------------------------------------


def _write_gguf(path: Path, source: _Source, weights: "Iterable[tuple[str, np.ndarray]]", precision: Precision) -> None:
    from gguf import GGML_QUANT_VERSION, GGUFWriter, LlamaFileType, quantize

    writer = GGUFWriter(path, "llama")
    try:
        for key, (value, kind, item) in source.metadata.items():
            writer.add_key_value(key, value, kind, item)
        writer.add_file_type(LlamaFileType.MOSTLY_F16 if precision == "f16" else LlamaFileType.MOSTLY_Q8_0)
        writer.add_quantization_version(GGML_QUANT_VERSION)
        for name, weight in weights:
            packed = _packing(weight, precision)
            writer.add_tensor(name, quantize(weight, packed), raw_dtype=packed)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _packing(weight: "np.ndarray", precision: Precision) -> "GGMLQuantizationType":
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if weight.ndim == 1:  # norms and biases: few, and added up
        return GGMLQuantizationType.F32
    block, _ = GGML_QUANT_SIZES[GGMLQuantizationType.Q8_0]
    whole_blocks = weight.shape[-1] % block == 0
    return GGMLQuantizationType.Q8_0 if precision == "q8_0" and whole_blocks else GGMLQuantizationType.F16
