import shutil

import pytest

from finetune.evaluate import Compared, as_dict, observe, score, verdict
from finetune.examples import Example, Passage, read_examples, write_examples
from finetune.report import render
from finetune.shipped import ADAPTER
from tests.finetune.test_cli import run

PASSAGES = (
    Passage(heading="Boiler", lines=("Hansen & Sons look after it.", "It was built in 1998.")),
    Passage(heading="Tools", lines=("saw", "hammer")),
)


def example(answer="Hansen & Sons", cited=(1,), kind="span"):
    return Example(question="Who?", passages=PASSAGES, answer=answer, cited=cited, source="house", kind=kind)


UNANSWERED = example("", (), "near")


@pytest.mark.parametrize(
    ("asked", "reply", "seen"),
    [
        (example(), "Hansen & Sons [1]", {"f1": 1, "exact_match": 1, "citation_precision": 1, "cited_support": 1}),
        (example(), "Hansen [2]", {"f1": 2 / 3, "exact_match": 0, "citation_precision": 0, "cited_support": 0}),
        (example(), "Miller [1]", {"f1": 0, "citation_precision": 1, "cited_support": 0}),
        (example(), "Hansen & Sons", {"f1": 1, "citation_precision": 0, "cited_support": 0}),
        (example(), "Hansen & Sons [7]", {"citation_precision": 0, "cited_support": 0}),
        (example(), "Not in the notes.", {"f1": 0, "exact_match": 0, "false_refusals": 1}),
        (example("See", (2,), "section"), "See [2]", {"pointed": 1, "cited_support": 1, "false_refusals": 0}),
        (example("See", (2,), "section"), "saw [2]", {"pointed": 0, "cited_support": 1}),
        (UNANSWERED, "Not in the notes.", {"refusal_recall": 1, "refusal_recall_near": 1}),
        (UNANSWERED, "1998 [1]", {"refusal_recall": 0}),
    ],
)
def test_what_a_reply_is_worth(asked, reply, seen):
    observed = observe(asked, reply)
    assert {name: observed.get(name) for name in seen} == pytest.approx(seen)
    assert 0 <= score(asked, reply) <= 1


def replies(*pairs):
    """Replies to as many questions on as many things."""
    asked = (example().model_copy(update={"source": str(number)}) for number in range(len(pairs)))
    return [Compared(each, before, after) for each, (before, after) in zip(asked, pairs, strict=True)]


RIGHT, WRONG = "Hansen & Sons [1]", "1998 [1]"


def test_only_a_clear_change_is_called_one():
    assert verdict(replies(*[(WRONG, RIGHT)] * 9, (RIGHT, RIGHT)))[0] == "better"
    assert verdict(replies(*[(RIGHT, WRONG)] * 9, (RIGHT, RIGHT)))[0] == "worse"
    assert verdict(replies(*[(WRONG, RIGHT)] * 2, *[(RIGHT, WRONG)] * 2))[0] == "no clear difference"
    assert verdict(replies((WRONG, RIGHT)))[0] == "no clear difference"


def test_the_report_shows_what_changed_and_runs_nothing_that_stands_in_notes():
    compared = replies((RIGHT, WRONG), (WRONG, "<script>alert(1)</script> [1]"))
    page = render("mine", as_dict(compared), compared, None)
    assert "Worse than before</h2>" not in page
    assert "Worse than before: 1" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "data:image/png;base64," in page


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """Of the shipped prompts those that tell most on few: where to point, and what to refuse."""
    folder = tmp_path_factory.mktemp("data")
    prompts = read_examples(ADAPTER.with_name("prompts.jsonl"))
    write_examples(folder / "valid.jsonl", [each for each in prompts if each.kind in ("section", "near")])
    return folder


def test_the_shipped_adapter_is_better_than_its_base(settings, checkpoint, held_out, tmp_path):
    adapter = tmp_path / "adapter"
    shutil.copytree(ADAPTER, adapter)
    arguments = ["finetune", "evaluate", adapter, "--against", "base", "--base", checkpoint, "--data", held_out]
    outcome = run(*arguments, "--home", settings.home, "--report", tmp_path / "report.html")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.output.splitlines()[-1].startswith("better: the score of a reply changed by +")
    assert "better" in (tmp_path / "report.html").read_text()


def test_ways_to_ask_the_same_count_as_one():
    same = [Compared(example(), WRONG, RIGHT)] * 30
    assert verdict(same)[0] == "no clear difference"


def test_different_questions_without_an_answer_count_apart():
    passages = [(Passage(heading=f"Boiler {number}", lines=("It was built in 1998.",)),) for number in range(8)]
    asked = [UNANSWERED.model_copy(update={"passages": each}) for each in passages]
    assert verdict([Compared(each, WRONG, "Not in the notes.") for each in asked])[0] == "better"


def test_a_broken_adapter_is_named(settings, checkpoint, held_out, tmp_path):
    shutil.copytree(ADAPTER, tmp_path / "adapter")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    arguments = ["finetune", "evaluate", tmp_path / "adapter", "--base", checkpoint, "--data", held_out]
    outcome = run(*arguments, "--home", settings.home)
    assert outcome.exit_code == 1
    assert f"{tmp_path / 'adapter'}: is no whole adapter of " in outcome.output
