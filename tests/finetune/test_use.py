import dataclasses
import shutil

import pytest
import torch
from safetensors.torch import load_file

from chatbot.engines import load_engine
from finetune.shipped import ADAPTER
from finetune.use import choose
from knowledge.errors import NotesError
from knowledge.settings import load_settings


def test_a_model_is_chosen_and_one_command_goes_back(settings):
    config = settings.home / "config.toml"
    config.write_text("# mine\nanswer_seconds = 60  # long enough\n")
    base = "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert base in choose(settings, base)
    assert load_settings(settings.home).model == base
    assert config.read_text().startswith("# mine\nanswer_seconds = 60  # long enough\n")
    choose(settings, "default")
    assert load_settings(settings.home) == dataclasses.replace(settings, answer_seconds=60)


def test_an_adapter_answers_without_an_export(settings):
    shutil.copytree(ADAPTER, settings.adapters / "mine" / "adapter")
    choose(settings, "mine")
    chosen = load_settings(settings.home)
    assert (chosen.engine, chosen.adapter) == ("lora", "mine")
    choose(settings, str(ADAPTER))
    assert load_settings(settings.home).adapter == str(ADAPTER)


def test_an_adapter_in_a_pickle_file_is_neither_chosen_nor_run(settings, tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    shutil.copy(ADAPTER / "adapter_config.json", adapter)
    torch.save(load_file(ADAPTER / "adapter_model.safetensors"), adapter / "adapter_model.bin")
    with pytest.raises(NotesError, match="only adapters in safetensors are read"):
        choose(settings, str(adapter))
    assert not (settings.home / "config.toml").exists()
    with pytest.raises(NotesError, match="only adapters in safetensors are read"):
        load_engine(dataclasses.replace(settings, adapter=str(adapter)), "lora")


def test_the_notes_can_be_quoted_alone_and_the_model_is_kept_for_later(settings):
    base = "SmolLM2-135M-Instruct.Q4_1.gguf"
    choose(settings, base)
    choose(settings, "extract")
    chosen = load_settings(settings.home)
    assert (chosen.engine, chosen.model) == ("extract", base)


def test_what_is_not_there_is_refused_and_nothing_changes(settings):
    with pytest.raises(NotesError, match="there are default, extract, openai, SmolLM2"):
        choose(settings, "nonsense")
    assert not (settings.home / "config.toml").exists()
    with pytest.raises(NotesError, match="holds no adapter"):
        load_engine(settings, "lora")
