import json

import pytest

from finetune.examples import Example, Passage, balanced, card, read_examples, split, write_examples
from knowledge.errors import NotesError

PASSAGES = (Passage(heading="Boiler", lines=("Hansen does it.", "Every May.")), Passage(heading="Roof", lines=()))


def example(**changes):
    given = {"question": "Who?", "passages": PASSAGES, "answer": "Hansen", "cited": (1,), "source": "house.md"}
    return Example(**given | changes)


def test_the_prompt_and_the_reply_are_those_of_the_chat():
    assert example().prompt.user == "[1] Boiler\nHansen does it.\nEvery May.\n[2] Roof\nQuestion: Who?"
    assert example().reply == "Hansen [1]"
    assert example(answer="", cited=()).reply == "Not in the notes."


def test_what_is_written_is_read_again_and_repeated_questions_are_written_once(tmp_path):
    file = tmp_path / "a" / "train.jsonl"
    again = example(question="who? ".strip().capitalize())
    assert write_examples(file, [example(), again, example(question="When?", answer="Every May")]) == 2
    assert read_examples(file) == [example(), example(question="When?", answer="Every May")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cited": [3]}, "a passage that is not there"),
        ({"cited": []}, "an answer needs the number of a passage"),
        ({"answer": ""}, "no answer needs none"),
        ({"answer": "Miller"}, "the answer stands in no line of a passage that it cites"),
        ({"cited": [2]}, "the answer stands in no line of a passage that it cites"),
        ({"passages": []}, "passages: "),
        ({"question": ""}, "question: "),
        ({"colour": "red"}, "colour: "),
    ],
)
def test_a_line_that_is_no_example_is_named(tmp_path, changes, reason):
    file = tmp_path / "train.jsonl"
    lines = [json.loads(example().model_dump_json()), {**json.loads(example().model_dump_json()), **changes}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(NotesError, match=f"train.jsonl:2: .*{reason}"):
        read_examples(file)


def test_files_of_other_programs_are_read_and_what_is_no_text_is_told(tmp_path):
    file = tmp_path / "train.jsonl"
    odd = example(question="Who\u2028came?")
    file.write_text(f"\ufeff{odd.model_dump_json()}\r\n\r\n", encoding="utf-8")
    assert read_examples(file) == [odd]
    file.write_bytes("é".encode("latin-1"))
    with pytest.raises(NotesError, match=r"train.jsonl: is not in UTF-8"):
        read_examples(file)


def test_all_of_one_source_stand_on_one_side_and_more_sources_move_none():
    few = [example(source=f"{name}.md", question=f"{ask}?") for name in range(40) for ask in range(3)]
    training, validation = split(few, 0.3)
    assert {each.source for each in training}.isdisjoint(each.source for each in validation)
    assert 3 <= len({each.source for each in validation}) <= 24
    more = [example(source=f"more-{name}.md") for name in range(40)]
    assert set(training) <= set(split(few + more, 0.3)[0])


def test_of_a_few_sources_one_is_held_out_and_the_only_one_is_trained_on():
    for share in (0.0, 1.0):
        training, validation = split([example(source=f"{name}.md") for name in "abc"], share)
        assert len(training) >= 1
        assert len(validation) >= 1
    assert split([example()], 1.0) == ([example()], [])
    assert split([], 0.1) == ([], [])


def test_an_answer_is_held_out_however_many_questions_have_none():
    answered = [example(source=f"{name}.md") for name in "abc"]
    others = [example(source=f"Why {number}?", answer="", cited=()) for number in range(40)]
    training, validation = split([*answered, *others], 0.1)
    for part in (training, validation):
        assert {bool(each.cited) for each in part} == {True, False}


def test_examples_without_an_answer_are_no_more_than_their_share():
    answered = [example(question=f"{n}?") for n in range(80)]
    others = [example(question=f"why {n}?", answer="", cited=()) for n in range(80)]
    mixed = balanced([*others, *answered], 0.2, 1)
    assert sum(not each.cited for each in mixed) == 20
    assert mixed == balanced([*others, *answered], 0.2, 1)
    assert len(balanced([*answered, *others[:5]], 0.2, 1)) == 85


def test_the_card_counts():
    counted = card(
        [
            example(kind="span"),
            example(kind="span"),
            example(question="Why?", answer="", cited=(), kind="near", source="b.md"),
        ]
    )
    assert counted | {"sha256": ""} == {
        "examples": 2, "sources": 2, "unanswered": 1, "kinds": {"near": 1, "span": 1}, "sha256": "",
    }  # fmt: skip
