import threading
from contextlib import closing

import pytest

from chatbot.leavable import leavable


def test_what_is_put_comes_in_order_with_none_wherever_it_takes_long():
    go_on = threading.Event()

    def work(left, put):
        put(1)
        go_on.wait(60)
        put(2)

    results = leavable(work, "work")
    assert next(results) == 1
    assert next(results) is None
    go_on.set()
    assert [result for result in results if result] == [2]


def test_who_leaves_does_not_wait_and_the_work_hears_of_it():
    go_on, heard = threading.Event(), threading.Event()

    def work(left, put):
        go_on.wait(60)
        if left.is_set():
            heard.set()

    with closing(leavable(work, "work")) as results:
        assert next(results) is None
    go_on.set()
    assert heard.wait(60)


def test_what_work_raises_is_raised_after_all_that_it_put():
    def work(left, put):
        put(1)
        raise KeyboardInterrupt

    results = leavable(work, "work")
    assert next(results) == 1
    with pytest.raises(KeyboardInterrupt):
        list(results)
