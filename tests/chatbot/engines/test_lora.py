import dataclasses
import json
import shutil

import pytest

from chatbot.engines import load_engine
from finetune.shipped import ADAPTER
from knowledge.prompt import Passage, build_prompt
from tests.conftest import make_settings

PROMPT = build_prompt(
    "who looks after the boiler?", [Passage("Boiler service", ("Hansen & Sons look after it, every May.",))], 3000
)


@pytest.fixture(scope="module")
def engine(checkpoint, tmp_path_factory):
    settings = make_settings(tmp_path_factory.mktemp("home"), checkpoint.parent)
    adapter = shutil.copytree(ADAPTER, settings.adapters / "mine" / "adapter")
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": checkpoint.name}))
    return load_engine(dataclasses.replace(settings, adapter="mine"), "lora")


def test_an_adapter_answers_as_it_was_trained_to(engine):
    assert "".join(engine.stream(PROMPT, 32)) == "Hansen & Sons [1]"
    assert engine.prompt_tokens > 20


def test_it_ends_at_the_number_of_tokens_and_whenever_it_is_left(engine):
    assert len([piece for piece in engine.stream(PROMPT, 2) if piece]) <= 2
    stream = engine.stream(PROMPT, 32)
    next(piece for piece in stream if piece)
    stream.close()
    assert "".join(engine.stream(PROMPT, 32)) == "Hansen & Sons [1]"
