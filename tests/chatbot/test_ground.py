import pytest

from chatbot import ground
from knowledge.documents import Chunk
from knowledge.evidence import units
from tests.benchmarks.grounding import score
from tests.conftest import questions

TEXT = """- Covariate shift: the inputs move.
- Prior probability shift: the target moves.
- Evidently draws dashboards.
- whylogs writes small profiles.
- Never store keys in the repository.
- The gain is 100 times on a GPU, see https://cupy.dev.
"""


def supporting(sentence, question, evidence):
    """As `ground.supporting`, where no two sentences mean the same by their embeddings."""
    return ground.supporting(sentence, question, evidence, lambda one, other: 0.0)


def test_a_formula_that_breaks_off_is_not_supported():
    chunk = Chunk("n.md", "n", ("Roots",), (1, 2), "The roots are $x = a + b$. They cost $5 each.")
    assert supporting("The roots are $x = a", "what?", units(chunk))[1] == "it breaks off inside a formula"
    assert supporting("They cost $5 each.", "what?", units(chunk))[0]


BOILER = "The boiler is serviced by Hansen & Sons every October, and never in winter."


@pytest.mark.parametrize(
    "sentence",
    [
        "Hansen & Sons service the boiler every October.",
        "According to your notes, the boiler is serviced every October by Hansen & Sons.",
        "Yes, in October.",
        "The boiler's service is done by Hansen & Sons.",
    ],
)
def test_other_words_in_another_order_are_supported_where_the_embeddings_mean_the_same(sentence):
    chunk = Chunk("n.md", "n", ("Boiler",), (1, 1), BOILER)
    support, objection = ground.supporting(sentence, "who looks after the boiler?", units(chunk), lambda *texts: 0.9)
    assert support, objection


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("The boiler is serviced by Hansen & Meyer every October.", "Meyer stands in none"),
        ("Miller & Sons service the boiler every October.", "Miller stands in none"),
        ("The boiler is replaced by Hansen & Sons every October.", "it says “replaced”, the notes say “serviced”"),
        ("The boiler is serviced by Hansen & Sons before October.", "before stands in none"),
        ("The boiler is not serviced by Hansen & Sons.", "it denies what the notes say"),
        ("The boiler is serviced in winter.", "the notes deny it"),
    ],
)
def test_a_sentence_that_says_something_else_is_not_supported_whatever_the_embeddings_say(sentence, reason):
    chunk = Chunk("n.md", "n", ("Boiler",), (1, 1), BOILER)
    support, objection = ground.supporting(sentence, "what about it?", units(chunk), lambda *texts: 1.0)
    assert support is None
    assert reason in objection


def test_numbers_keep_their_order():
    chunk = Chunk("n.md", "n", ("Backup",), (1, 1), "It keeps 7 daily and 4 weekly snapshots.")
    support, objection = supporting("It keeps 4 daily and 7 weekly snapshots.", "what?", units(chunk))
    assert support is None
    assert "another order" in objection


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("The freezer is kept at 18 degrees.", "The freezer is kept at -18 degrees."),
        ("The freezer is kept at 18 degrees.", "The freezer is kept at −18 degrees."),
        ("It starts at -5 degrees.", "It starts at 5 degrees."),
        ("The backup runs at 3 every night.", "The backup runs at 3:15 every night."),
        ("It costs $24.50.", "It costs €24.50."),
        ("42", "The password of the cabin is pine-tree-42."),
        ("tree-42", "The password of the cabin is pine-tree-42."),
        ("5W", "The car needs 5W-30 oil."),
        ("It stands on shelf 3.", "It stands on shelf B3."),
    ],
)
def test_a_number_keeps_its_sign_its_currency_and_all_that_is_written_as_one_with_it(sentence, text):
    support, objection = supporting(sentence, "what?", _under("House", text))
    assert support is None, objection


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("The freezer is kept at -18 degrees.", "The freezer is kept at -18 degrees."),
        ("It costs 24.50.", "It costs €24.50."),
        ("Shelf b3.", "It stands on shelf B3."),
        ("She is 18.", "She is an 18-year-old."),
        ("It weighs 80 g.", "It weighs _80_ g."),
        ("At 3:15.", "The backup runs at 3:15."),
    ],
)
def test_a_number_needs_nothing_that_is_written_around_it(sentence, text):
    support, objection = supporting(sentence, "what?", _under("House", text))
    assert support, objection


def test_code_in_a_sentence_is_supported_by_a_block_of_code():
    block = _under("Server", "```\nmake run\n```")
    assert supporting("`make run`", "how do I start it?", block)[0]
    assert not supporting("`make test`", "how do I start it?", block)[0]
    assert not supporting("`run`", "how do I start it?", _under("Server", "They run it."))[0], "no code in the notes"


def _under(heading, text):
    return units(Chunk("n.md", "n", (heading,), (1, 1), text))


TOOLS = [
    *_under("OpenCV", "Image operations on the CPU: resize, warp, blur."),
    *_under(
        "Kornia", "Differentiable image operations on the GPU, in PyTorch. Does not read files. From version 0.8 on."
    ),
]


@pytest.mark.parametrize(
    ("sentence", "unit"),
    [
        ("Kornia", "Differentiable image operations on the GPU, in PyTorch."),
        ("Kornia has differentiable image operations.", "Differentiable image operations on the GPU, in PyTorch."),
        ("Kornia, from version 0.8 on.", "From version 0.8 on."),
    ],
)
def test_a_unit_supports_what_is_said_of_its_heading(sentence, unit):
    support, objection = supporting(sentence, "which library does image operations on the GPU?", TOOLS)
    assert support, objection
    assert support.text == unit


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("OpenCV has differentiable image operations.", "do not stand together"),  # the heading of another
        ("Kornia warps and blurs on the CPU.", "do not stand together"),
        ("Kornia, from version 0.9 on.", "0.9 stands in none"),
        ("Kornia reads files.", "the notes deny it"),
    ],
)
def test_a_heading_supports_nothing_that_stands_under_another(sentence, reason):
    support, objection = supporting(sentence, "which library does image operations on the GPU?", TOOLS)
    assert support is None
    assert reason in objection


PHONES = "- Pharmacy: 4417\n- Dr. Berg: 0171 555\n- Porter, day and night: 4003\n"
HOSTS = "| Host | Address | Role |\n|---|---|---|\n| borea | 10.0.3.12 | database |\n| ceto | 10.0.3.20 | mail |\n"


@pytest.mark.parametrize(
    ("text", "question", "right", "wrong"),
    [
        (PHONES, "phone of Dr Berg", "0171 555", "4003"),
        (HOSTS, "which address has the mail server?", "10.0.3.20", "10.0.3.12"),
        (PHONES, "who works at night?", "Porter", "Pharmacy"),
        (PHONES.replace("- ", ""), "phone of Dr Berg", "0171 555", "4003"),
    ],
)
def test_a_value_of_another_item_than_the_one_asked_for_is_not_supported(text, question, right, wrong):
    listed = _under("Ward", text)
    assert supporting(right, question, listed)[0]
    support, objection = supporting(wrong, question, listed)
    assert support is None
    assert "is nearer to what was asked" in objection
    assert supporting(wrong, "what about it?", listed)[0], "nothing tells the items apart"


def test_a_sentence_may_go_on_with_the_one_that_has_the_words_of_the_question():
    read = _under("House", "Hansen services the boiler. That is in October.")
    assert supporting("October", "when is the boiler serviced?", read)[0]


def test_few_sentences_are_shown_that_the_notes_do_not_support(shipped, capsys):
    outcomes = list(score(shipped.store.similarity, questions("grounding")))
    with capsys.disabled():
        print("", *outcomes, sep="\n  ")
    for outcome in outcomes:
        assert outcome.sentences > 150
        assert outcome.unsupported < 0.13
        assert outcome.supported > 0.5


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
        ("Evidently writes small profiles.", "it says “evidently”, the notes say “whylogs”"),  # two units in one
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
