import pytest

from finetune.paraphrase import paraphrased


@pytest.mark.parametrize(
    "question",
    ["How do I mend broken unicode?", "What do my notes say about Kornia?", "Which vitamins are there?", "SQL?"],
)
def test_a_question_is_asked_in_other_ways_that_keep_what_it_is_about(question):
    ways = paraphrased(question, 1)
    assert ways[0] == question
    assert len(set(ways)) == len(ways) <= 3
    topic = question.rstrip("?").split()[-1].lower()
    assert all(topic in way.lower() for way in ways)
    assert ways == paraphrased(question, 1)
