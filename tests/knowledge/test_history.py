import sqlite3
import threading

import pytest

from knowledge.errors import NotesError
from knowledge.history import History


@pytest.fixture
def history(tmp_path):
    history = History(tmp_path)
    yield history
    history.close()


def titles(history, containing="", user=""):
    return [conversation.title for conversation in history.conversations(user, containing)]


def test_a_conversation_is_called_after_its_first_question_and_the_last_changed_is_first(history, tmp_path):
    boiler = history.put("", "", 0, "Who looks after the boiler?", "{}")
    history.put("", "", 0, "How hard are the tyres?", "{}")
    assert titles(history) == ["How hard are the tyres?", "Who looks after the boiler?"]
    history.put("", boiler, 1, "and what does it cost?", "{}")
    again = History(tmp_path)
    assert titles(again)[0] == "Who looks after the boiler?"
    assert [turn.question for turn in again.turns("", boiler)] == [
        "Who looks after the boiler?",
        "and what does it cost?",
    ]
    again.close()


def test_a_question_that_is_asked_anew_takes_the_place_of_all_behind_it(history):
    one = history.put("", "", 0, "a?", "1")
    for number, question in enumerate(("b?", "c?", "d?"), start=1):
        history.put("", one, number, question, "2")
    history.put("", one, 1, "e?", "3")
    assert [(turn.question, turn.answer) for turn in history.turns("", one)] == [("a?", "1"), ("e?", "3")]
    history.put("", one, 0, "f?", "4")
    assert titles(history) == ["f?"], "its name is its first question"
    history.rename("", one, "Letters")
    history.put("", one, 0, "g?", "5")
    assert titles(history) == ["Letters"]


def test_conversations_are_found_by_what_was_said(history):
    history.put("", "", 0, "Who looks after the boiler?", '{"text": "Hansen, 100% sure"}')
    history.put("", "", 0, "tyres?", "{}")
    assert titles(history, "hansen") == ["Who looks after the boiler?"]
    assert titles(history, "100% s") == ["Who looks after the boiler?"]
    assert titles(history, "1_0%") == []


def test_what_is_deleted_comes_back_until_the_next_is_deleted(history):
    one, two = history.put("", "", 0, "one?", "{}"), history.put("", "", 0, "two?", "{}")
    history.delete("", one)
    assert titles(history) == ["two?"]
    assert history.turns("", one) == []
    assert history.restore("") == one
    assert sorted(titles(history)) == ["one?", "two?"]
    history.delete("", one)
    history.delete("", two)
    assert history.restore("") == two
    assert titles(history) == ["two?"]
    assert history.restore("") == ""


def test_a_conversation_that_is_gone_on_with_after_it_was_deleted_comes_back_whole(history):
    one = history.put("", "", 0, "one?", "{}")
    history.delete("", one)
    assert history.put("", one, 1, "two?", "{}") == one
    assert titles(history) == ["one?"]
    assert [turn.question for turn in history.turns("", one)] == ["one?", "two?"]
    assert history.restore("") == ""


def test_ratings_and_names_are_kept(history):
    one = history.put("", "", 0, "one?", "{}")
    history.put("", one, 1, "two?", "{}")
    history.rate("", one, 1, -1, "it was the other boiler")
    history.rename("", one, "Boilers")
    assert titles(history) == ["Boilers"]
    assert [(turn.question, turn.reason) for turn in history.rated(-1)] == [("two?", "it was the other boiler")]
    assert history.rated(1) == []


def test_what_one_user_asked_is_not_there_for_another(history):
    ada = history.put("ada", "", 0, "Who looks after the boiler?", "{}")
    bo = history.put("bo", "", 0, "How hard are the tyres?", "{}")
    assert titles(history, user="bo") == ["How hard are the tyres?"]
    assert titles(history, "boiler", user="bo") == titles(history, "boiler") == []
    assert history.turns("bo", ada) == []

    history.rename("bo", ada, "Mine now")
    history.rate("bo", ada, 0, -1, "no")
    history.delete("bo", ada)
    begun = history.put("bo", ada, 0, "and what does it cost?", "{}")
    assert titles(history, user="ada") == ["Who looks after the boiler?"]
    [turn] = history.turns("ada", ada)
    assert (turn.question, turn.rating) == ("Who looks after the boiler?", 0)
    assert begun != ada

    history.delete("ada", ada)
    assert history.restore("bo") == ""
    history.delete("bo", bo)
    assert history.restore("ada") == ada, "what another deletes leaves it to be brought back"


def test_a_user_who_is_removed_leaves_nothing(history):
    history.delete("ada", history.put("ada", "", 0, "one?", "{}"))
    history.put("ada", "", 0, "two?", "{}")
    history.put("bo", "", 0, "three?", "{}")
    history.forget("ada")
    assert (titles(history, user="ada"), history.restore("ada"), titles(history, user="bo")) == ([], "", ["three?"])


def test_conversations_from_before_there_were_users_belong_to_the_one_without_a_login(tmp_path):
    old = sqlite3.connect(tmp_path / "conversations.sqlite")
    old.executescript("""
        CREATE TABLE conversations (id TEXT PRIMARY KEY, title TEXT NOT NULL, changed_at TEXT NOT NULL,
            deleted INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE turns (conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
            number INTEGER NOT NULL, question TEXT NOT NULL, answer TEXT NOT NULL, asked_at TEXT NOT NULL,
            rating INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', PRIMARY KEY (conversation, number));
        INSERT INTO conversations (id, title, changed_at) VALUES ('one', 'Boiler', '2026-01-01T00:00:00+00:00');
        INSERT INTO turns (conversation, number, question, answer, asked_at) VALUES ('one', 0, 'one?', '{}', '2026');
        PRAGMA user_version = 1;
    """)
    old.close()
    for _ in range(2):  # the second time there is nothing left to do
        history = History(tmp_path)
        assert titles(history) == ["Boiler"]
        assert [turn.question for turn in history.turns("", "one")] == ["one?"]
        assert titles(history, user="ada") == []
        history.close()


def test_threads_and_processes_write_beside_each_other(history, tmp_path):
    other = History(tmp_path)

    def write(history):
        for number in range(20):
            history.put("", "", 0, f"{number}?", "{}")

    threads = [threading.Thread(target=write, args=(each,)) for each in (history, history, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(titles(other)) == 60
    other.close()


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "conversations.sqlite").write_bytes(b"nothing of the kind" * 1000)
    with pytest.raises(NotesError, match="the conversations cannot be opened"):
        History(tmp_path)
