import numpy as np
import pytest

from chatbot.answer import Assistant
from chatbot.intents import IntentBot, load_small_talk
from knowledge.errors import NotesError
from tests.conftest import questions


def test_a_bot_learns_intents_and_what_is_none_of_them():
    examples = [(f"{verb} the {light}", "light") for verb in ("turn on", "switch on") for light in ("lamp", "light")]
    examples += [(f"play {what}", "music") for what in ("some jazz", "a song", "music", "my songs")]
    examples += [
        (text, None) for text in ("how tall is the tower", "what is love", "who wrote faust", "sum of 2 and 3")
    ]
    bot = IntentBot().fit(iter(examples))
    assert bot.predict("switch on the lamp").intent == "light"
    assert bot.predict("play jazz").intent == "music"
    assert bot.predict("who wrote the tower").intent is None
    assert 0 <= bot.predict("").confidence <= 1


def test_one_label_is_not_enough():
    with pytest.raises(NotesError, match="two"):
        IntentBot().fit([("hello", "greeting")])


DEGENERATE = {
    "one example each": [("red", "a"), ("blue", "b")],
    "one intent and one text out of scope": [("red", "a"), ("blue", None)],
    "hundreds of one label": [("red apples", "a")] * 500 + [("blue sky", "b")],
    "empty texts": [("", "a"), ("", None), (" ", "b")],
    "other scripts": [("😀", "a"), ("سلام دنیا", "b"), ("你好", "c"), ("\ud800", None)],
}


@pytest.mark.parametrize("examples", DEGENERATE.values(), ids=DEGENERATE)
def test_strange_examples_and_texts_still_get_a_prediction(examples):
    bot = IntentBot().fit(examples)
    for text in ("", "😀", "red", "wörter " * 15_000, "\ud800"):
        intent, confidence = bot.predict(text)
        assert intent in {label for _, label in examples} | {None}
        assert 0 <= confidence <= 1


@pytest.mark.parametrize("examples", [[], [("a", None), ("b", None)]], ids=["nothing", "all out of scope"])
def test_examples_without_an_intent_are_refused(examples):
    with pytest.raises(NotesError, match="two"):
        IntentBot().fit(examples)


def test_without_examples_out_of_scope_labels_stand_in_for_them():
    what = "lamp radio heater oven door window blind fan".split()
    bot = IntentBot().fit(
        [(f"{verb} the {each}", each) for each in what for verb in ("open", "close", "mend", "start")]
    )
    assert bot.predict("please start the heater").intent == "heater"
    assert bot.predict("who wrote Faust in 1808").intent is None


def test_many_intents_are_told_apart():
    verbs = "open close mend start stop sell buy paint move clean".split()
    things = "lamp radio heater oven door window blind fan car boat".split()
    frames = ("{} the {}", "please {} my {}", "can you {} that {}", "I want to {} a {}", "{} our {} now", "{} this {}?")
    intents = {f"{verb} {thing}": (verb, thing) for verb in verbs for thing in things}
    examples = [(frame.format(*words), intent) for intent, words in intents.items() for frame in frames]
    strange = [
        (f"who wrote the {nth} book of the {era}", None)
        for nth in "first second third last".split()
        for era in "past age war king queen".split()
    ]
    bot = IntentBot().fit(examples + strange)
    asked = {intent: "would you {} the {}".format(*words) for intent, words in intents.items()}
    assert sum(bot.predict(text).intent == intent for intent, text in asked.items()) >= 95
    assert bot.predict("who wrote the history of the war").intent is None


class CountingEncoder:
    def __init__(self):
        self.texts = []

    def encode(self, texts):
        self.texts += texts
        return np.eye(8, dtype=np.float32)[[len(text) % 8 for text in texts]]


def test_each_example_is_embedded_once_and_makes_the_same_bot_again():
    examples = [
        (f"{verb} the {light}", verb) for verb in ("open", "close", "mend") for light in ("lamp", "door", "fan")
    ]
    encoders = CountingEncoder(), CountingEncoder()
    first, second = (IntentBot(encoder).fit(examples) for encoder in encoders)
    assert encoders[0].texts == [text for text, _ in examples]
    assert first.predict("please close the fan") == second.predict("please close the fan")


def test_small_talk_is_recognised_and_questions_are_not_stolen(shipped):
    assistant = Assistant(shipped.store, shipped.settings, "extract")
    utterances = questions("small_talk")
    talk = [entry for entry in utterances if entry["intent"]]
    right = [assistant._intent(entry["q"]) == entry["intent"] for entry in talk]
    assert sum(right) / len(talk) > 0.85
    stolen = [entry["q"] for entry in utterances if not entry["intent"] and assistant._intent(entry["q"])]
    stolen += [entry["q"] for entry in questions() if assistant._intent(entry["q"])]
    assert len(stolen) <= 2, stolen


def test_every_intent_has_varied_patterns_and_responses():
    small_talk = load_small_talk()
    intents = {intent for _, intent in small_talk.examples if intent}
    expected = "greeting thanks acknowledgement goodbye help identity topics privacy complaint"
    assert intents == set(expected.split())
    for intent in intents:
        assert len({text for text, label in small_talk.examples if label == intent}) >= 20
        assert len(small_talk.responses[intent]) >= 2


def test_a_file_that_is_no_intents_file_is_told(tmp_path):
    path = tmp_path / "intents.yaml"
    path.write_text("- just a list\n")
    with pytest.raises(NotesError, match="intents.yaml"):
        load_small_talk(path)
