"""What is true of every engine. The models here are made to fail; the real ones stand in the files beside this one."""

import threading
import time

import pytest

from chatbot.engines import Engine, Waiting
from knowledge.errors import NotesError
from knowledge.prompt import Prompt

PROMPT = Prompt("system", "question")


class Stubborn(Engine):
    """Says one word, and ends only when it is let go, whatever it is told."""

    name = "stubborn"

    def __init__(self, seconds=30.0):
        super().__init__(seconds)
        self.let_go = threading.Event()
        self.at_once = self.most_at_once = 0

    def _write(self, prompt, max_tokens, stop, put):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        put("word")
        self.let_go.wait(60)
        self.at_once -= 1


class Broken(Engine):
    name = "broken"

    def _write(self, prompt, max_tokens, stop, put):
        raise RuntimeError("no more memory")


class Talkative(Engine):
    name = "talkative"

    def _write(self, prompt, max_tokens, stop, put):
        while not stop.is_set():
            put("word ")
            time.sleep(0.001)


class Brief(Engine):
    name = "brief"

    def _write(self, prompt, max_tokens, stop, put):
        put("one ")
        put("two")


@pytest.fixture
def stubborn():
    engine = Stubborn()
    yield engine
    engine.let_go.set()


def test_a_model_that_does_not_stop_keeps_nobody_from_leaving(stubborn):
    started = time.monotonic()
    stream = stubborn.stream(PROMPT, 5)
    assert next(piece for piece in stream if piece) == "word"
    stream.close()
    second = stubborn.stream(PROMPT, 5)
    assert [next(second), next(second)] == ["", ""], "it waits, and can be left meanwhile"
    second.close()
    assert time.monotonic() - started < 20


def test_the_model_is_free_only_when_its_work_has_ended(stubborn):
    first = stubborn.stream(PROMPT, 5)
    next(piece for piece in first if piece)
    first.close()
    second = stubborn.stream(PROMPT, 5)
    assert next(second) == ""
    stubborn.let_go.set()
    assert "".join(second) == "word"
    assert stubborn.most_at_once == 1


def test_a_question_that_was_left_while_it_waited_is_never_asked(stubborn):
    first = stubborn.stream(PROMPT, 5)
    next(piece for piece in first if piece)
    waiting = [stubborn.stream(PROMPT, 5) for _ in range(5)]
    before = threading.active_count()
    for stream in waiting:
        next(stream)
        stream.close()
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.1)
    assert threading.active_count() <= before


def test_a_reader_that_does_not_read_on_holds_up_nobody():
    engine = Brief(30)
    slow = engine.stream(PROMPT, 5, "slow")
    next(piece for piece in slow if piece)
    assert "".join(engine.stream(PROMPT, 5, "quick")) == "one two"
    assert "".join(slow) == "two", "and finds the rest when it does"


def test_who_waits_is_told_how_many_are_ahead(stubborn):
    first = stubborn.stream(PROMPT, 5, "ann")
    assert next(first).ahead == 0
    others = [stubborn.stream(PROMPT, 5, asker) for asker in ("ann", "ann", "bob")]
    told = [next(piece.ahead for piece in stream if isinstance(piece, Waiting)) for stream in others]
    assert told == [1, 2, 1]
    stubborn.let_go.set()
    assert ["".join(stream) for stream in (first, *others)] == ["word"] * 4


@pytest.mark.parametrize("waits", [False, True])
def test_a_reply_ends_at_its_time_limit_whether_it_is_written_or_waits(waits):
    engine = Stubborn(seconds=0.5)
    if waits:
        next(engine.stream(PROMPT, 5))
    with pytest.raises(NotesError, match=r"longer than 0\.5 seconds"):
        list(engine.stream(PROMPT, 5))
    engine.let_go.set()


def test_a_reply_ends_at_its_number_of_pieces():
    assert "".join(Talkative(30).stream(PROMPT, 7)) == "word " * 7


def test_whatever_breaks_is_told_in_one_line():
    with pytest.raises(NotesError, match="no more memory"):
        list(Broken(30).stream(PROMPT, 5))


def test_a_prompt_that_is_too_long_is_refused_before_it_is_asked(stubborn):
    with pytest.raises(NotesError, match="longer than"):
        list(stubborn.stream(Prompt("", "é" * stubborn.prompt_bytes), 5))
    assert stubborn.most_at_once == 0
