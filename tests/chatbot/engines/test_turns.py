"""The queue itself: no threads, no clock, only who may go."""

import threading
from itertools import pairwise

from chatbot.engines.turns import Turns


def queue_up(turns, *askers):
    """Their requests in this order, each with the number that it was told when it came."""
    requests = [turns.wait(asker) for asker in askers]
    return requests, [next(request) for request in requests]


def served(turns, requests):
    """The order in which waiting requests get their turn, as each that has it leaves."""
    order = []
    waiting = dict(enumerate(requests))
    while waiting:
        [first] = [number for number, request in waiting.items() if next(request) == 0]
        waiting.pop(first).close()
        order.append(first)
    return order


def test_whoever_comes_first_goes_first_and_each_is_told_how_many_are_ahead():
    turns = Turns()
    requests, told = queue_up(turns, "ann", "bob", "cem")
    assert told == [0, 1, 2]
    requests[0].close()
    assert [next(request) for request in requests[1:]] == [0, 1]


def test_many_requests_of_one_do_not_hold_up_the_first_of_another():
    turns = Turns()
    requests, told = queue_up(turns, *["ann"] * 5, "bob")
    assert told == [0, 1, 2, 3, 4, 1]
    requests[0].close()
    assert served(turns, requests[1:]) == [4, 0, 1, 2, 3], "bob goes next, then ann's in their order"


def test_askers_alternate_also_when_one_comes_back_again_and_again():
    turns = Turns()
    requests, _ = queue_up(turns, *["ann"] * 4)
    for first, then in pairwise(requests):
        bob = turns.wait("bob")
        assert next(bob) == 1, "behind the one whose turn it is, before ann's others"
        first.close()
        assert [next(bob), next(then)] == [0, 1]
        bob.close()
        assert next(then) == 0


def test_who_leaves_the_queue_holds_up_nobody():
    turns = Turns()
    requests, _ = queue_up(turns, "ann", "bob", "bob", "cem")
    requests[1].close()
    assert next(requests[3]) == 2, "bob's other one comes before cem still"
    requests[2].close()
    assert next(requests[3]) == 1
    requests[0].close()
    assert next(requests[3]) == 0
    requests[3].close()
    assert queue_up(turns, "dan")[1] == [0], "nothing of those who left is kept"


def test_a_turn_that_ends_wakes_the_next_in_another_thread():
    turns = Turns()
    first, second = turns.wait("ann"), turns.wait("bob")
    assert [next(first), next(second)] == [0, 1]
    went = threading.Event()

    def wait():
        while next(second):
            pass
        went.set()

    threading.Thread(target=wait, daemon=True).start()
    first.close()
    assert went.wait(60)
