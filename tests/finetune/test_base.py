import json

import pytest
import torch
from click.testing import CliRunner
from gguf import GGUFWriter

from chatbot.cli import cli
from finetune.base import load_base
from finetune.device import size
from knowledge.errors import NotesError
from knowledge.prompt import Prompt
from tests.finetune.test_export import TEMPLATE, make_base

NO_SYSTEM_TURN = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
SILENT = TEMPLATE.replace("messages %}", "messages if message['role'] != 'system' %}")


@pytest.fixture
def templated(tmp_path):
    """A function from a chat template to the folder of a model that has it."""

    def make(template):
        folder = make_base(tmp_path / "base")
        (folder / "chat_template.jinja").write_text(template)
        return folder

    return make


@pytest.mark.parametrize("template", [NO_SYSTEM_TURN + TEMPLATE, SILENT])
def test_what_a_template_has_no_turn_for_opens_the_turn_of_the_user(templated, template):
    base = load_base(templated(template), torch.float32)
    ids = base.prompt_ids(Prompt("Answer briefly.", "Who bakes?"))
    assert base.tokenizer.decode(ids) == (
        "<|im_start|>user\nAnswer briefly.\n\nWho bakes?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_template_that_cannot_be_used_is_told(templated):
    with pytest.raises(NotesError, match="base: its chat template cannot be used"):
        load_base(templated("{{ raise_exception('not today') }}"), torch.float32)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_whose_files_are_not_whole_is_told(tmp_path, file):
    folder = make_base(tmp_path / "base")
    whole = (folder / file).read_bytes()
    for rest in (b"", b"[]", whole[: len(whole) // 2]):
        (folder / file).write_bytes(rest)
        with pytest.raises(NotesError, match="base: not a language model that transformers reads"):
            load_base(folder, torch.float32)


@pytest.mark.parametrize("length", [0, 3, 20])
def test_a_gguf_file_that_was_cut_off_is_told(tmp_path, length):
    path = tmp_path / "base.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_name("a name" * 50)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    path.write_bytes(path.read_bytes()[:length])
    for read in (size, lambda path: load_base(path, torch.float32)):
        with pytest.raises(NotesError, match="not a language model that transformers reads"):
            read(path)


def test_a_model_that_changes_its_logits_is_not_trained_wrongly(templated, settings, tmp_path):
    folder = templated(TEMPLATE)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "logit_scale": 0.5}))
    passage = {"heading": "A", "lines": ["Ada bakes."]}
    example = {"question": "Who?", "passages": [passage], "answer": "Ada", "cited": [1], "source": "a"}
    for name in ("train", "valid"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(example))
    arguments = ["finetune", "train", "--base", folder, "--data", tmp_path, "--home", settings.home]
    outcome = CliRunner().invoke(cli, list(map(str, arguments)))
    assert outcome.exit_code == 1, outcome.output
    assert "cannot be trained here, for it changes its logits (logit_scale)" in outcome.output
