import json

import pytest

from finetune.base import Base
from finetune.examples import Example, Passage
from finetune.tune import read_found, search, write_found
from knowledge.errors import NotesError
from tests.finetune.test_export import make_base


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    import torch

    from finetune.base import load_base

    folder = tmp_path_factory.mktemp("base")
    make_base(folder)
    return load_base(folder, torch.bfloat16)


def examples(number):
    passage = Passage(heading="Boiler", lines=("Hansen looks after it.",))
    return [
        Example(question=f"who is number {n}?", passages=(passage,), answer="Hansen", cited=(1,), source=str(n))
        for n in range(number)
    ]


def test_a_search_finds_settings_goes_on_where_it_stopped_and_train_reads_them(base: Base, tmp_path):
    tried = []

    def tell(plan, loss):
        tried.append((plan, loss))

    def look(trials):
        return search(base, None, examples(16), examples(4), 600, "one", trials, 0.01, tmp_path / "tune", tell)

    look(2)
    assert len(tried) == 2
    best = look(3)
    assert len(tried) == 3  # the first two were not run again
    assert (best.learning_rate, best.rank) in {(plan.learning_rate, plan.rank) for plan, _ in tried}
    losses = {plan.learning_rate: loss for plan, loss in tried}
    assert losses[best.learning_rate] == min(losses.values())
    write_found(tmp_path, best)
    assert read_found(tmp_path)["learning_rate"] == best.learning_rate


def test_what_was_found_is_read_whole_or_refused(tmp_path):
    assert read_found(tmp_path) == {}
    (tmp_path / "tuned.json").write_text(json.dumps({"rank": 4}))
    with pytest.raises(NotesError, match="not what `askmynotes finetune tune` wrote"):
        read_found(tmp_path)


def test_a_run_of_a_search_that_was_stopped_goes_on_with_its_settings_and_no_settings_are_tried_twice(base, tmp_path):
    tried, stopped = [], []

    def tell(plan, loss):
        tried.append(plan.learning_rate)
        if len(tried) == 2 and not stopped:
            stopped.append(tried.pop())
            raise KeyboardInterrupt

    def look(trials):
        arguments = (examples(16), examples(4), 600, "one", trials, 0.01, tmp_path / "tune", tell)
        return search(base, None, *arguments)

    with pytest.raises(KeyboardInterrupt):
        look(2)
    look(3)
    assert tried[1] == stopped[0]
    assert len(set(tried)) == len(tried) == 3
    assert not list((tmp_path / "tune").glob("*/trial-*"))
