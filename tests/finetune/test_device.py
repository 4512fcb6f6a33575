from types import SimpleNamespace

import psutil
import pytest
import torch

from finetune import device
from finetune.base import four_bit, load_base
from finetune.device import CPU, Device, Size, choose, for_merging, for_replies, for_training, size
from finetune.export import export
from knowledge.errors import NotesError
from tests.finetune.test_export import make_adapter, make_base

GB = 1e9
#: a model of seven billion weights
LARGE = Size(7_000_000_000, 2 * 32_000 * 4096, 4096, 32)
NEEDS = (LARGE.training(), LARGE.training_in_four_bit())


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("bases") / "base")


@pytest.mark.parametrize(
    ("free", "has_bitsandbytes", "place", "why"),
    [
        (80, True, "on the GPU", "41.4 GB are needed and 80.0 GB"),
        (24, True, "on the GPU in 4 bit", "full precision needs about 41.4 GB and 24.0 GB"),
        (24, False, "on the CPU", "pip install 'askmynotes[finetune-gpu]'"),
        (4, True, "on the CPU", "about 7.0 GB are needed and only 4.0 GB"),
    ],
)
def test_the_memory_of_the_gpu_decides_and_the_reason_is_told(free, has_bitsandbytes, place, why):
    chosen = choose(free * GB, *NEEDS, has_bitsandbytes)
    assert chosen.place == place
    assert why in str(chosen)
    assert chosen.four_bit == (place == "on the GPU in 4 bit")


def test_the_default_model_fits_in_full_where_a_large_one_does_not(models, monkeypatch):
    monkeypatch.setattr(device, "_free_on_gpu", lambda: 10 * GB)
    default = models / "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert for_training(default).place == "on the GPU"
    monkeypatch.setattr(device, "size", lambda path: LARGE)
    monkeypatch.setattr(device, "_has_bitsandbytes", lambda: True)
    assert for_training(default).place == for_replies(default).place == "on the GPU in 4 bit"
    assert for_merging(default).name == "cpu", "an adapter is never merged into weights of 4 bit"


def test_a_machine_without_a_gpu_trains_on_its_cpu(base, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert str(for_training(base)) == "on the CPU: there is no CUDA GPU"


@pytest.mark.parametrize(
    ("where", "capabilities", "free", "expected"),
    [
        (CPU, {"amx_bf16": True}, 64 * GB, torch.bfloat16),
        (CPU, {"amx_bf16": False, "avx512_bf16": True}, 64 * GB, torch.float32),
        (CPU, {}, 64 * GB, torch.float32),  # another architecture
        (CPU, {}, 32 * GB, torch.bfloat16),
        (Device("cuda", "for the test"), {}, 64 * GB, torch.bfloat16),
    ],
)
def test_a_processor_without_a_unit_for_bfloat16_computes_in_float32_where_that_fits(
    where, capabilities, free, expected, monkeypatch
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    monkeypatch.setattr(device, "size", lambda path: LARGE)
    assert device.dtype("a 7B", where) == expected


def test_the_size_of_a_model_is_known_before_its_weights_are_read(base):
    described, model = size(base), load_base(base, torch.bfloat16).model
    assert described.weights == sum(weight.numel() for weight in model.parameters())
    assert described.embedded == model.get_input_embeddings().weight.numel()
    assert (described.hidden, described.layers) == (64, 2)


def test_four_bits_are_those_of_qlora():
    config = four_bit()
    assert (config.load_in_4bit, config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == (True, "nf4", True)
    assert config.bnb_4bit_compute_dtype == torch.bfloat16


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_model_that_cannot_be_held_in_four_bits_is_told_in_one_line(kind, base, tmp_path):
    path = base if kind == "folder" else tmp_path / "small.gguf"
    if kind == "file":
        export(base, make_adapter(tmp_path / "adapter"), path, "f16")
    with pytest.raises(NotesError, match="cannot be loaded on the GPU in 4 bit: .*bitsandbytes") as error:
        load_base(path, torch.bfloat16, Device("cuda", "for the test", four_bit=True))
    assert "\n" not in str(error.value)
