import pytest

from chatbot.evidence import Scored, units
from chatbot.ground import supporting
from knowledge.documents import Chunk

TEXT = """- Covariate shift: the inputs move.
- Prior probability shift: the target moves.
- Evidently draws dashboards.
- whylogs writes small profiles.
- Never store keys in the repository.
- The gain is 100 times on a GPU, see https://cupy.dev.
"""


@pytest.fixture
def evidence():
    chunk = Chunk("n.md", "n", ("Drift and tools: Evidently, whylogs",), (1, 7), TEXT)
    return [Scored(unit, 1.0) for unit in units(chunk)]


@pytest.mark.parametrize(
    ("sentence", "unit"),
    [
        ("Covariate shift: the inputs move.", "- Covariate shift: the inputs move."),
        ("whylogs writes profiles.", "- whylogs writes small profiles."),
        ("Never store a key in the repository.", "- Never store keys in the repository."),
        ("The gain is 100 times.", "- The gain is 100 times on a GPU, see https://cupy.dev."),
    ],
)
def test_what_one_unit_says_is_supported_by_it(evidence, sentence, unit):
    assert supporting(sentence, "what?", evidence).unit.text == unit


@pytest.mark.parametrize(
    "sentence",
    [
        "Evidently writes small profiles.",  # two units in one
        "The target moves the covariate inputs.",  # the right words, another order
        "Store keys in the repository.",  # a negation lost
        "Covariate shift: the inputs never move.",  # a negation added
        "The gain is 200 times on a GPU.",  # another number
        "The gain is 100 times on a GPU, see https://evil.example.",  # an invented address
        "Paris is the capital of France.",
        "It is.",
        "",
    ],
)
def test_what_no_unit_says_is_not_supported(evidence, sentence):
    assert supporting(sentence, "what?", evidence) is None


def test_an_echo_of_the_question_is_no_answer(evidence):
    assert supporting("Covariate shift inputs.", "what moves the inputs in a covariate shift?", evidence) is None
