import json
import math

import pytest

from chatbot.decide import FEATURES, WEIGHTS, Decider, features
from knowledge.evidence import gather
from tests.conftest import HOUSE


def test_a_better_match_never_turns_an_answer_into_a_refusal():
    decider = Decider()
    weak = [0.3, 0.1, 0.2, 0.3, 1.5, 3.5, 0.5]
    for index, sign in enumerate(FEATURES.values()):
        if sign:
            better = list(weak)
            better[index] += 0.3 * sign
            assert decider.decide(better).probability >= decider.decide(weak).probability


def test_the_probability_follows_from_the_figures_that_are_shown():
    decision = Decider().decide([0.4, 0.2, 0.3, 0.3, 1.5, 3.5, 0.0])
    total = sum(figure.value * figure.weight for figure in decision.figures)
    assert decision.probability == pytest.approx(1 / (1 + math.exp(-total)))


def test_the_weights_state_what_to_expect_of_them():
    trained = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    assert trained["held_out"]["questions"] > 1500
    assert trained["held_out"]["answered_of_answerable"] > 0.9
    assert trained["held_out"]["refused_of_unrelated"] > 0.9


def test_what_matches_in_every_way_is_answered_and_what_matches_in_none_is_not():
    decider = Decider()
    assert decider.decide([0.8, 0.6, 0.8, 0.6, 1.5, 3.5, 0.0]).answerable
    assert not decider.decide([0.1, 0.0, 0.1, 0.1, 1.5, 3.5, 0.0]).answerable


def test_copies_of_a_note_take_nothing_from_its_lead(add, store):
    lead = list(FEATURES).index("lead of the best cosine")
    question = "who services the boiler?"
    add(HOUSE)
    alone = features(question, gather(question, store), store)[lead]
    for number in range(5):
        add(HOUSE, f"copy {number}.md")
    assert features(question, gather(question, store), store)[lead] == pytest.approx(alone, abs=0.05)
    add("## Boiler repairs\nWho services the boiler is asked every year.\n", "another.md")
    assert features(question, gather(question, store), store)[lead] < alone - 0.1
