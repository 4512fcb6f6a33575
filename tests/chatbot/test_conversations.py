"""Follow-ups over the shipped notes, written by someone who did not know how they are understood."""

from chatbot.answer import Assistant
from tests.benchmarks.conversations import score
from tests.conftest import questions


def test_follow_ups_keep_to_their_topic_and_new_topics_leave_it(shipped, capsys):
    conversations = questions("conversations")
    assert len(conversations) >= 40
    outcome = score(Assistant(shipped.store, shipped.settings, "extract"), conversations)
    with capsys.disabled():
        print(f"\n{len(conversations)} conversations: {outcome}")
    assert outcome.section_first > 0.9
    assert outcome.answered > 0.9
    assert outcome.facts > 0.8
    assert outcome.small_talk == 1
