import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from chatbot.engines.gpt4all import GPT4AllEngine
from finetune.base import load_base
from finetune.export import agreement, export
from knowledge.errors import NotesError
from knowledge.prompt import Passage, build_prompt
from tests.conftest import HOUSE, NOTES, ROOT

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)
DIGITS_APART = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTES])
QUESTIONS = ("What does the contract for the boiler cost?", "To how many bar are the tyres pumped?", "Who bakes?")
SHORT = build_prompt("What does the contract cost?", [Passage("Boiler service", (HOUSE.split("\n")[1],))], 2000)
PROMPTS = [build_prompt(question, [Passage("House", tuple(HOUSE.split("\n")))], 2000) for question in QUESTIONS]


def make_tokenizer(pre_tokenizer):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train([str(path) for path in sorted(NOTES.rglob("*.md"))], trainer)
    bos, eos, unk = SPECIAL[1], SPECIAL[2], SPECIAL[0]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, unk_token=unk, chat_template=TEMPLATE
    )


def make_base(folder, tied=True, pre_tokenizer=DIGITS_APART, padding=0):
    """A small llama of random weights, far enough apart that rounding decides no reply."""
    tokenizer = make_tokenizer(pre_tokenizer)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + padding,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=tied,
        initializer_range=0.2,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_adapter(folder, hidden=64, inner=96, keys=32, layers=2, rank=2, scale=0.1, **settings):
    """A fixed random adapter for all linear layers."""
    shapes = {"self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (keys, hidden)}
    shapes |= {"self_attn.v_proj": (keys, hidden), "self_attn.o_proj": (hidden, hidden)}
    shapes |= {"mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden), "mlp.down_proj": (hidden, inner)}
    chance = torch.Generator().manual_seed(7)
    weights = {}
    for layer in range(layers):
        for name, (rows, columns) in shapes.items():
            module = f"base_model.model.model.layers.{layer}.{name}"
            weights[f"{module}.lora_A.weight"] = torch.randn(rank, columns, generator=chance) * scale
            weights[f"{module}.lora_B.weight"] = torch.randn(rows, rank, generator=chance) * scale
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: weight.to(torch.bfloat16) for name, weight in weights.items()}, folder / "adapter_model.safetensors"
    )
    names = sorted(name.rpartition(".")[2] for name in shapes)
    plain = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 3, "target_modules": names}
    (folder / "adapter_config.json").write_text(json.dumps(plain | settings))
    return folder


def merged_by_peft(base, adapter):
    model = PeftModel.from_pretrained(load_base(base, torch.float32).model, adapter, local_files_only=True)
    return model.merge_and_unload().state_dict()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fields(path):
    return {name: field.contents() for name, field in GGUFReader(path).fields.items()}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("bases") / "tied")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    return make_adapter(tmp_path_factory.mktemp("adapters") / "plain")


@pytest.fixture(scope="module")
def small(base, adapter, tmp_path_factory):
    """The small model with its adapter, exported."""
    target = tmp_path_factory.mktemp("exported") / "small.gguf"
    export(base, adapter, target, "f16")
    return target


def test_the_default_model_says_in_gpt4all_what_transformers_says(models, tmp_path):
    default = models / "SmolLM2-135M-Instruct.Q4_1.gguf"
    adapter = make_adapter(tmp_path / "adapter", hidden=576, inner=1536, keys=192, layers=30, scale=0.05)
    target = tmp_path / "models" / "tuned.gguf"
    (adapter / "evaluation.json").write_text(json.dumps({"verdict": "better"}))
    export(default, adapter, target, "f16")
    [(ours, theirs)] = agreement(default, adapter, target, [SHORT], max_tokens=8)
    assert theirs == ours != ""
    card = json.loads((tmp_path / "models" / "tuned.gguf.json").read_text())
    assert card["measured"] == {"verdict": "better"}
    assert card["base"] == {"name": default.name, "sha256": digest(default), "licence": "apache-2.0"}
    assert card["adapter"] == {"sha256": digest(adapter / "adapter_model.safetensors")}
    assert (card["eos"], card["sha256"]) == ("<|im_end|>", digest(target))


def test_the_chat_runs_it(base, adapter, small):
    [(_, reply)] = agreement(base, adapter, small, PROMPTS[2:], max_tokens=8)
    assert "".join(GPT4AllEngine(small, 1000).stream(PROMPTS[2], 8)) == reply != ""


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("precision", ["f16", "q8_0"])
def test_the_weights_are_those_that_peft_merges(tied, precision, adapter, tmp_path):
    base = make_base(tmp_path / "base", tied)
    export(base, adapter, tmp_path / "new.gguf", precision)
    wanted, plain = merged_by_peft(base, adapter), load_base(base, torch.float32).model.state_dict()
    found = load_base(tmp_path / "new.gguf", torch.float32).model.state_dict()
    assert found.keys() == wanted.keys()
    for name, weight in found.items():
        step = wanted[name].abs().max() * (1 / 127 if precision == "q8_0" else 1 / 1024)
        assert (weight - wanted[name]).abs().max() <= step, name
        assert ("proj" in name) == bool((plain[name] != wanted[name]).any()), "the adapter changes the projections"
    kinds = {tensor.name: tensor.tensor_type for tensor in GGUFReader(tmp_path / "new.gguf").tensors}
    assert ("output.weight" in kinds) is not tied
    assert kinds["output_norm.weight"] == GGMLQuantizationType.F32
    assert kinds["blk.0.attn_q.weight"] == GGMLQuantizationType[precision.upper()]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("pre_tokenizer", [DIGITS_APART, BYTES], ids=["digits apart", "plain"])
def test_a_model_from_a_folder_says_the_same_in_both(tied, pre_tokenizer, adapter, tmp_path):
    base = make_base(tmp_path / "base", tied, pre_tokenizer)
    export(base, adapter, tmp_path / "new.gguf", "f16")
    replies = agreement(base, adapter, tmp_path / "new.gguf", PROMPTS, max_tokens=12)
    assert [ours for ours, _ in replies] == [theirs for _, theirs in replies]
    assert len({ours for ours, _ in replies}) > 1, "they hang on the question"


def test_a_number_that_stands_for_no_token_ends_no_process(adapter, tmp_path):
    base = make_base(tmp_path / "base", tied=False, padding=2)
    weights = load_file(base / "model.safetensors")
    head = torch.zeros_like(weights["lm_head.weight"])
    head[-2:] = torch.tensor([[1.0], [-1.0]])  # whatever comes in, one of the last two is the likeliest
    save_file(weights | {"lm_head.weight": head}, base / "model.safetensors", {"format": "pt"})
    export(base, adapter, tmp_path / "new.gguf", "f16")
    assert "PAD" in agreement(base, adapter, tmp_path / "new.gguf", PROMPTS[:1], max_tokens=3)[0][1]


def test_digits_are_parted_as_the_tokenizer_file_says_whatever_transformers_makes_of_it(base, adapter, small, tmp_path):
    odd = tmp_path / "odd"
    odd.mkdir()
    for path in base.iterdir():
        (odd / path.name).symlink_to(path)
    settings = json.loads((base / "tokenizer_config.json").read_text())
    (odd / "tokenizer_config.json").unlink()
    (odd / "tokenizer_config.json").write_text(json.dumps(settings | {"tokenizer_class": "GPT2Tokenizer"}))
    export(odd, adapter, tmp_path / "new.gguf", "f16")
    assert fields(tmp_path / "new.gguf")["tokenizer.ggml.pre"] == fields(small)["tokenizer.ggml.pre"] == "starcoder"


def test_from_a_gguf_file_all_but_the_changed_weights_is_as_it_was(adapter, small, tmp_path):
    nothing = make_adapter(tmp_path / "nothing", scale=0.0)
    export(small, nothing, tmp_path / "same.gguf", "f16")
    assert digest(tmp_path / "same.gguf") == digest(small)
    export(small, adapter, tmp_path / "again.gguf", "q8_0")
    old, new = fields(small), fields(tmp_path / "again.gguf")
    assert {key for key in old if old[key] != new[key]} == {"general.file_type"}


@pytest.mark.parametrize("precision", ["f16", "q8_0"])
def test_another_processor_and_more_threads_make_the_same_bytes(precision, small, tmp_path):
    adapter = make_adapter(tmp_path / "strong", rank=16, scale=1.0)  # the last bits of what it adds count
    export(small, adapter, tmp_path / "here.gguf", precision)
    code = """
import sys
from pathlib import Path
from finetune.export import export
export(*map(Path, sys.argv[1:4]), sys.argv[4])
"""
    features = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    older = {"NPY_DISABLE_CPU_FEATURES": " ".join(features), "OPENBLAS_CORETYPE": "Haswell"}
    env = {**os.environ, "OMP_NUM_THREADS": "3", "ATEN_CPU_CAPABILITY": "default", **older}
    there = tmp_path / "there.gguf"
    command = [sys.executable, "-c", code, str(small), str(adapter), str(there), precision]
    subprocess.run(command, check=True, timeout=120, cwd=ROOT, env=env)
    assert digest(there) == digest(tmp_path / "here.gguf")
    assert (tmp_path / "there.gguf.json").read_text() == (tmp_path / "here.gguf.json").read_text()


def test_a_stock_file_of_the_family_gets_a_name_that_gpt4all_knows(small, adapter, tmp_path):
    stock = tmp_path / "stock.gguf"
    command = [sys.executable, "-m", "gguf.scripts.gguf_new_metadata", "--pre-tokenizer", "smollm", "--force"]
    subprocess.run([*command, str(small), str(stock)], check=True, capture_output=True)
    export(stock, adapter, tmp_path / "new.gguf", "f16")
    assert fields(tmp_path / "new.gguf")["tokenizer.ggml.pre"] == "starcoder"


def test_the_licence_is_that_of_the_folders_readme(base, adapter, tmp_path):
    licensed = tmp_path / "licensed"
    licensed.mkdir()
    for path in base.iterdir():
        (licensed / path.name).symlink_to(path)
    (licensed / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")
    for folder, licence in ((licensed, "apache-2.0"), (base, None)):
        export(folder, adapter, tmp_path / "new.gguf", "f16")
        card = json.loads((tmp_path / "new.gguf.json").read_text())
        assert card["base"] == {"name": folder.name, "sha256": digest(base / "model.safetensors"), "licence": licence}


def no_adapter(folder):
    (folder / "adapter_model.safetensors").unlink()


def a_pickle(folder):
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def cut_short(folder):
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def no_settings(folder):
    (folder / "adapter_config.json").write_text("{")


def other_kind(folder):
    make_adapter(folder, peft_type="IA3")


def magnitudes(folder):
    make_adapter(folder, use_dora=True)


def ranks_of_layers(folder):
    make_adapter(folder, rank_pattern={"q_proj": 4})


def no_rank(folder):
    make_adapter(folder, r=0)


def wider(folder):
    make_adapter(folder, hidden=128)


def deeper(folder):
    make_adapter(folder, layers=3)


def not_finite(folder):
    make_adapter(folder, scale=float("inf"))


def whole_layer(folder):
    save_file({"base_model.model.lm_head.weight": torch.zeros(9, 9)}, folder / "adapter_model.safetensors")


SPOILT = {
    no_adapter: "holds no adapter",
    a_pickle: "only adapters in safetensors are read",
    cut_short: "not a whole safetensors file",
    no_settings: "adapter_config.json: cannot be read",
    other_kind: "IA3",
    magnitudes: "use_dora",
    ranks_of_layers: "rank_pattern",
    no_rank: "not a whole adapter",
    wider: "another model",
    deeper: "another model: there is no blk.2|another model: there is no model.layers.2",
    not_finite: "the training went wrong",
    whole_layer: "lm_head",
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_an_adapter_that_cannot_be_merged_is_refused_and_the_older_file_stays(spoil, small, tmp_path):
    folder = make_adapter(tmp_path / "adapter")
    spoil(folder)
    target = tmp_path / "out" / "mine.gguf"
    target.parent.mkdir()
    target.write_bytes(b"older")
    with pytest.raises(NotesError, match=SPOILT[spoil]) as error:
        export(small, folder, target, "f16")
    assert "\n" not in str(error.value)
    assert [path.read_bytes() for path in target.parent.iterdir()] == [b"older"]


def other_architecture(folder, small):
    GPT2LMHeadModel(GPT2Config(vocab_size=700, n_embd=16, n_layer=1, n_head=2)).save_pretrained(folder)
    make_tokenizer(BYTES).save_pretrained(folder)
    return folder


def other_tokenizer(folder, small):
    return make_base(folder, pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), BYTES]))


def stretched(folder, small):
    config = json.loads((make_base(folder) / "config.json").read_text())
    config["rope_parameters"] = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def garbage(folder, small):
    folder.write_bytes(b"garbage" * 999)
    return folder


def half(folder, small):
    folder.write_bytes(small.read_bytes()[: small.stat().st_size // 2])
    return folder


def nowhere(folder, small):
    return folder


BASES = {
    other_architecture: "gpt2",
    other_tokenizer: "byte-level BPE",
    stretched: "rotary",
    garbage: "not a whole GGUF file",
    half: "not a whole GGUF file",
    nowhere: "there is no such model",
}


@pytest.mark.parametrize("make", BASES, ids=lambda make: make.__name__)
def test_a_base_that_cannot_be_exported_is_refused(make, small, adapter, tmp_path):
    base = make(tmp_path / "base", small)
    with pytest.raises(NotesError, match=BASES[make]) as error:
        export(base, adapter, tmp_path / "out" / "new.gguf", "f16")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_the_base_is_never_written_over(small, adapter):
    before = digest(small)
    with pytest.raises(NotesError, match="another name"):
        export(small, adapter, small, "f16")
    assert digest(small) == before


def test_a_place_that_cannot_be_written_is_told(small, adapter, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NotesError, match="could not be written"):
        export(small, adapter, tmp_path / "file" / "new.gguf", "f16")
