import pytest

from knowledge.answer_type import asked_type
from knowledge.documents import Chunk


def section(text, heading="Note"):
    return Chunk("note.md", "Note", (heading,), (1, 2), text)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("what does the mower cost?", "price"),
        ("How much did I pay for the fuses", "price"),
        ("what is the fee for the passport", "price"),
        ("oscilloscope probe price?", "price"),
        ("when was the chimney swept?", "date or time"),
        ("in which year was the house built?", "date or time"),
        ("opening hours of the library", "date or time"),
        ("how many bins do I take?", "number"),
        ("how long does the dough rest?", "number"),
        ("phone number of the vet", "number"),
        ("who repairs the boiler?", "name"),
        ("from whom did I borrow the ladder?", "name"),
    ],
)
def test_a_question_tells_what_it_asks_for(question, kind):
    assert asked_type(question).name == kind


@pytest.mark.parametrize(
    "question",
    [
        "what is a cost function?",
        "my menu is hidden, no matter how high a number I give",
        "when to use a median",
        "what happens when the disk is full?",
        "the one who",
        "WHO advice on hand washing",
        "wie viel kostet der Rasenmäher?",
        "how do I fix broken unicode?",
        "",
    ],
)
def test_other_questions_ask_for_no_kind(question):
    assert asked_type(question) is None


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("what does the mower cost?", "Bought for 199.90 at the corner shop."),
        ("what does the mower cost?", "It was 25 euros."),
        ("what does the gym cost?", "25 a month, cancel in June"),
        ("what does the tool cost?", "free for private use"),
        ("what is the rent for the shop?", "Rent is 900 warm."),
        ("when is the bin emptied?", "Every second Tuesday."),
        ("when did it open?", "in spring, as soon as the snow is gone"),
        ("how many keys are there?", "three, one with the neighbour"),
        ("how long may I stay?", "EU citizens may stay a full year."),
        ("how much water?", "½ cup"),
        ("who repairs the boiler?", "Call Hansen & Sons."),
        ("who has the key?", "the neighbour"),
    ],
)
def test_what_is_asked_for_is_found(question, text):
    assert asked_type(question).is_in(section(text), question)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("what does the mower cost?", "Fuel mix 50:1, sharpen the blade each spring."),
        ("when was the sorter released?", "Sorts photos by what is on them."),
        ("how many photos can it sort?", "[site](https://example.org/sorter/v2-10000)"),
        ("who wrote the Sorter?", "The Sorter, as described by itself. It sorts photos."),
    ],
)
def test_what_is_not_there_is_missed(question, text):
    assert not asked_type(question).is_in(section(text), question)


def test_a_heading_holds_numbers_and_no_names():
    question = "how much faster is it than the 555?"
    assert asked_type(question).is_in(section("See the link.", "Speed: 100x"), question)
    assert not asked_type(question).is_in(section("See the link.", "The 555 timer"), question)
    question = "who designed the amplifier?"
    assert not asked_type(question).is_in(section("loud and clear", "Tube Amplifier, How It Works"), question)
