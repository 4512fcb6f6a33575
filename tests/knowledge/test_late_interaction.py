import numpy as np
import pytest

from knowledge.encoder import OnnxEncoder
from knowledge.late_interaction import least, met, signs
from knowledge.settings import DEFAULT_EMBEDDING_MODEL


def similarities(query, passages):
    return met(query, passages).mean(axis=1).tolist()


@pytest.fixture(scope="module")
def tokens_of(models):
    encoder = OnnxEncoder(models / DEFAULT_EMBEDDING_MODEL)
    return lambda text: encoder.encode_with_tokens([text])[1][0]


def test_a_passage_that_meets_each_word_is_ahead_of_one_that_meets_some(tokens_of):
    passages = [
        "Descale the kettle with vinegar once a month.",
        "Oil the chain of the bicycle after rain.",
        "The kettle was a gift.",
    ]
    figures = similarities(
        tokens_of("how often to remove limescale from the kettle"), list(map(signs, map(tokens_of, passages)))
    )
    assert figures[0] == max(figures)
    assert figures[1] == min(figures)


def test_signs_stand_for_the_vectors_they_are_of(tokens_of):
    query = tokens_of("a kettle full of vinegar")
    (same,) = similarities(query, [signs(query)])
    (other,) = similarities(query, [signs(tokens_of("Oil the chain of the bicycle."))])
    assert len(signs(query)) == len(query) * 384 / 8
    # the cosine of a vector with random coordinates to its signs is about sqrt(2 / pi)
    assert same == pytest.approx(np.sqrt(2 / np.pi), abs=0.05)
    assert other < same / 2


def test_a_long_passage_is_read_to_its_end():
    tokens = np.random.default_rng(1).standard_normal((1000, 384))
    whole, cut = similarities(tokens[-5:], [signs(tokens), signs(tokens[:-5])])
    assert whole == pytest.approx(np.sqrt(2 / np.pi), abs=0.05)
    assert cut < whole / 2


def test_where_there_are_no_words_nothing_is_met(tokens_of):
    words, none = tokens_of("kettle"), tokens_of("?!")
    assert len(none) == 0
    assert similarities(none, [signs(words)]) == [0.0]
    assert similarities(words, [signs(none), signs(words)])[0] == 0.0


def test_what_is_met_least_tells_what_answers_from_what_is_about_the_same(tokens_of):
    passages = [
        "Nicolaus Copernicus came to the world in Torun in 1473.",
        "Nicolaus Copernicus was a canon at Frombork and wrote on the orbits of the planets.",
    ]
    found = met(tokens_of("where was Copernicus born?"), list(map(signs, map(tokens_of, passages))))
    answering, beside = least(found)
    assert answering > beside
    assert all(least(found) >= found.min(axis=1))
    assert all(least(found) <= found.mean(axis=1))
