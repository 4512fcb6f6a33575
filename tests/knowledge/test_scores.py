import pytest

from knowledge.scores import fact_pattern, token_f1


@pytest.mark.parametrize(
    ("fact", "text", "stands"),
    [
        ("6 bar", "Pump to 6\n BAR.", True),
        ("6 bar", "Pump to 16 bar", False),
        ("0.5", "p = 10.5", False),
        ("0.5", "p = 0.5, q = 1", True),
        ("2020", "in 2020.", True),
        ("202", "in 2020", False),
        ("interpolat", "interpolation", True),
        ("a|b+c", "only b+c", True),
        ("b+c", "bbc", False),
    ],
)
def test_a_fact_stands_whatever_the_case_and_a_number_only_whole(fact, text, stands):
    assert bool(fact_pattern(fact).search(text)) is stands


def test_token_f1_is_that_of_squad():
    assert token_f1("The Eiffel Tower!", "eiffel tower") == 1
    assert token_f1("in Paris, France", "Paris") == pytest.approx(0.5)
    assert token_f1("Rome", "Paris") == 0
    assert token_f1("", "Paris") == 0
