import pytest

from chatbot.ground import supporting
from knowledge.documents import Chunk
from knowledge.evidence import units

TEXT = """- Covariate shift: the inputs move.
- Prior probability shift: the target moves.
- Evidently draws dashboards.
- whylogs writes small profiles.
- Never store keys in the repository.
- The gain is 100 times on a GPU, see https://cupy.dev.
"""


def test_a_formula_that_breaks_off_is_not_supported():
    chunk = Chunk("n.md", "n", ("Roots",), (1, 2), "The roots are $x = a + b$. They cost $5 each.")
    assert supporting("The roots are $x = a", "what?", units(chunk))[1] == "it breaks off inside a formula"
    assert supporting("They cost $5 each.", "what?", units(chunk))[0]


@pytest.fixture
def evidence():
    chunk = Chunk("n.md", "n", ("Drift and tools: Evidently, whylogs",), (1, 7), TEXT)
    return units(chunk)


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
    support, objection = supporting(sentence, "what?", evidence)
    assert support.text == unit
    assert not objection


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("Evidently writes small profiles.", "do not stand together"),  # two units in one
        ("The target moves the covariate inputs.", "do not stand together"),  # the right words, another order
        ("Store keys in the repository.", "the notes deny it"),
        ("Covariate shift: the inputs never move.", "it denies what the notes say"),
        ("The gain is 200 times on a GPU.", "200 stands in none"),
        ("Whylogs writes 100 small profiles.", "do not stand together"),  # the number of another unit
        ("The gain is 100 times on a GPU, see https://evil.example.", "https://evil.example stands in none"),
        ("Paris is the capital of France.", "do not stand together"),
        ("It is.", "says nothing"),
        ("", "says nothing"),
    ],
)
def test_what_no_unit_says_is_not_supported_and_the_reason_is_told(evidence, sentence, reason):
    support, objection = supporting(sentence, "what?", evidence)
    assert support is None
    assert reason in objection


def test_an_echo_of_the_question_is_no_answer(evidence):
    support, objection = supporting("Covariate shift inputs.", "what moves the inputs in a covariate shift?", evidence)
    assert support is None
    assert objection == "it says nothing that the question did not"


def test_a_denial_in_the_question_and_in_the_notes_is_one(evidence):
    support, _ = supporting("in the repository", "where should I never store keys?", evidence)
    assert support.text == "- Never store keys in the repository."
