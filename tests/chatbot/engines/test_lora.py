import dataclasses

import pytest

from chatbot.engines import load_engine
from finetune.shipped import ADAPTER
from knowledge.prompt import Passage, build_prompt

PROMPT = build_prompt(
    "who looks after the boiler?", [Passage("Boiler service", ("Hansen & Sons look after it, every May.",))], 3000
)


@pytest.fixture(scope="module")
def engine(models, tmp_path_factory):
    from tests.conftest import make_settings

    settings = make_settings(tmp_path_factory.mktemp("home"), models)
    return load_engine(dataclasses.replace(settings, adapter=str(ADAPTER)), "lora")


def test_an_adapter_answers_as_it_was_trained_to(engine):
    assert "".join(engine.stream(PROMPT, 32)) == "Hansen & Sons [1]"
    assert engine.prompt_tokens > 20


def test_it_ends_at_the_number_of_tokens_and_whenever_it_is_left(engine):
    assert len([piece for piece in engine.stream(PROMPT, 2) if piece]) <= 2
    stream = engine.stream(PROMPT, 32)
    next(piece for piece in stream if piece)
    stream.close()
    assert "".join(engine.stream(PROMPT, 32)) == "Hansen & Sons [1]"
