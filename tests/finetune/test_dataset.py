import json

import pytest
from pydantic import TypeAdapter

from chatbot.answer import Answer, Assistant, Citation
from chatbot.rewrite import leans_on, standalone
from finetune.dataset import examples
from finetune.paraphrase import in_other_words
from finetune.questions import drafted, index, rated, read_own, read_squad
from knowledge.errors import NotesError
from knowledge.evidence import gather
from knowledge.history import History
from tests.conftest import HOUSE


@pytest.fixture
def made(add, store, tmp_path):
    """A function from question entries to the examples over the house's notes."""
    add(HOUSE)

    def make(*entries):
        file = tmp_path / "questions.jsonl"
        file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        return list(examples(store, read_own(file, store), 1))

    return make


def test_an_answer_is_cited_where_it_stands(made):
    entry = {"q": "who looks after the boiler?", "section": "Boiler service", "answers": ["Hansen & Sons"]}
    found = [each for each in made(entry) if each.cited]
    assert found
    for each in found:
        [number] = each.cited
        assert each.answer == "Hansen & Sons"
        assert each.passages[number - 1].heading == "Boiler service"
        assert any("Hansen & Sons" in line for line in each.passages[number - 1].lines)


def test_the_heading_is_the_answer_where_the_text_under_it_does_not_say_it(add, made):
    add("# Kornia\n\nDifferentiable image operations on the GPU, in PyTorch.")
    entry = {"q": "which library has image operations on the GPU?", "section": "Kornia", "answers": ["Kornia"]}
    found = [each for each in made(entry) if each.cited]
    assert found
    for each in found:
        [number] = each.cited
        assert each.answer == "Kornia" == each.passages[number - 1].heading


def test_a_single_fact_serves_as_the_answer_and_a_section_is_a_source(made):
    found = made(
        {"q": "who looks after the boiler?", "section": "Boiler service", "must": ["Hansen & Sons"]},
        {"q": "how hard are the tyres?", "section": "Bike tyres", "must": ["6 bar"]},
    )
    assert {each.answer for each in found if each.cited} == {"Hansen & Sons", "6 bar"}
    assert len({each.source for each in found}) == 2


def test_a_question_without_answers_points_to_its_section(made):
    found = made({"q": "where can I read about bread?", "section": "Reading list on bread"})
    assert {each.answer for each in found if each.cited} == {"See"}


def test_no_part_of_a_long_section_that_answers_as_a_whole_counts_as_a_wrong_one(add, made):
    paragraphs = (f"{'Knead the dough again and let it rest. ' * 20}Round {number}." for number in range(6))
    add("# Sourdough\n\n" + "\n\n".join(paragraphs))
    entries = [{"q": f"what do my notes say about sourdough, {n}?", "section": "Sourdough"} for n in range(20)]
    for each in made(*entries):
        assert each.cited or all(passage.heading != "Sourdough" for passage in each.passages)


def test_the_answering_section_is_taken_out_of_some(made):
    entries = [
        {"q": f"who looks after the boiler, number {n}?", "section": "Boiler service", "answers": ["Hansen & Sons"]}
        for n in range(20)
    ]
    missing = [each for each in made(*entries) if each.kind == "missing"]
    assert missing
    for each in missing:
        assert each.answer == ""
        assert "Boiler service" not in [passage.heading for passage in each.passages]


def test_what_the_notes_do_not_answer_is_not_answered(made):
    found = made({"q": "who painted the boiler?", "answerable": False})
    assert [(each.answer, each.kind) for each in found] == [("", "near")]


def test_notes_give_questions_by_themselves_asked_in_several_ways(add, store):
    add(HOUSE)
    asked = list(in_other_words(drafted(store, 20), 1))
    found = list(examples(store, asked, 1))
    assert len({each.question for each in asked}) > 20
    assert {each.kind for each in found} >= {"span", "section"}
    for each in found:
        for number in each.cited:
            shown = each.passages[number - 1]
            assert each.answer == "See" or any(each.answer in line for line in shown.lines)


def test_a_question_that_leans_on_the_last_answer_is_learnt_as_the_chat_asks_it(add, store):
    add(HOUSE)
    asked = [each for each in in_other_words(drafted(store, 20), 1) if each.follows]
    assert asked
    for each in asked:
        typed, _, topic = each.question.rpartition(" (")
        assert topic == f"{each.chunk.heading_path[-1]})"
        before = Answer("q", citations=(Citation(1, each.chunk, ((0, 1),)),))
        assert standalone(typed, leans_on(typed, [before], store)) == each.question
    shown = [example for example in examples(store, asked, 1) if example.cited]
    assert shown
    assert {each.passages[each.cited[0] - 1].heading for each in shown} <= {
        each.chunk.heading_path[-1] for each in asked
    }


def test_a_question_of_ones_own_that_leans_on_those_before_it_gets_its_topic(made):
    [found, *_] = made(
        {"q": "what does it cost?", "after": ["who services the boiler?"], "section": "Boiler service", "must": ["120"]}
    )
    assert found.question == "what does it cost? (Boiler service)"


def test_what_was_called_good_in_the_chat_is_learnt(add, store, settings):
    add(HOUSE)
    answer = Assistant(store, settings, "extract").answer("who looks after the boiler?")
    history = History(settings.home)
    kept = TypeAdapter(Answer).dump_json(answer).decode()
    good = history.put("", "", 0, answer.question, kept)
    history.put("", good, 1, "and not this one?", kept)
    history.rate("", good, 0, 1)
    [asked] = rated(store, history)
    history.close()
    assert asked.question == "who looks after the boiler?"
    assert {each.answer for each in examples(store, [asked], 1) if each.cited} == {answer.short_answer.rstrip(".")}


def test_a_section_is_looked_for_on_the_page_that_is_named(add, store, tmp_path):
    add("# A\n\n## Boiler\nMiller services it.\n", "a.md")
    add("# B\n\n## Boiler\nHansen services it.\n", "b.md")
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps({"q": "who?", "section": "Boiler", "page": "a.md", "answers": ["Miller"]}))
    [asked] = read_own(file, store)
    assert asked.chunk.source.endswith("a.md")


def test_a_line_that_is_no_question_is_named(made):
    with pytest.raises(NotesError, match=r"questions.jsonl:2: not a question"):
        made({"q": "who?", "section": "Boiler service"}, {"section": "Boiler service"})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"q": " "}, '"q" must be a text of 1 to 2000 characters'),
        ({"q": "who?", "answers": "Hansen"}, '"answers" must be a list of texts'),
        ({"q": "who?", "section": 3}, '"section" must be a text'),
        ({"q": "who?", "answerable": "no"}, '"answerable" must be true or false'),
        ({"q": "who? kind:poem"}, "kind:poem"),
    ],
)
def test_a_question_that_cannot_be_is_named_with_its_reason(made, entry, message):
    with pytest.raises(NotesError, match=f"questions.jsonl:1: .*{message}"):
        made(entry)


def test_lines_of_which_nothing_is_learnt_are_named(add, store, tmp_path):
    add(HOUSE)
    file = tmp_path / "questions.jsonl"
    entries = (
        {"q": "who?", "section": "Boiler service", "answers": ["Hansen & Sons"]},
        {"q": "who?", "section": "Boilers"},
        {"q": "who?"},
        {"q": "who?", "section": "Boiler service", "answers": ["Miller"]},
        {"q": "what is the capital of Mongolia?", "answerable": False},
    )
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    told = []
    list(read_own(file, store, told.append))
    assert [line.partition("nothing is learnt of these lines, which ")[2] for line in told] == [
        "name no section that is indexed: 2, 3",
        "have answers that do not stand there: 4",
    ]


def test_what_is_shown_is_what_the_chat_would_show(add, made):
    add("# Cleaning up\n\n> [!todo]\n- call Ann about the shears\n\n> [!info]\n\nThe shears are blunt.")
    found = made({"q": "my notes on the shears in:notes", "section": "Cleaning up", "answers": ["blunt"]})
    assert {each.question for each in found} == {"my notes on the shears"}
    assert all(line.strip() for each in found for passage in each.passages for line in passage.lines)


def test_a_question_that_fits_no_section_is_asked_over_what_is_nearest_to_it(add, made):
    add("# Aardvarks\n\nThey eat ants.", "a.md")
    entries = [{"q": f"who painted the boiler, number {n}?", "answerable": False} for n in range(12)]
    for each in made(*entries):
        assert "Boiler service" in [passage.heading for passage in each.passages]


def test_what_was_made_is_kept_and_not_made_again_from_the_same_notes(add, store, tmp_path, monkeypatch):
    add(HOUSE)
    asked, kept = list(drafted(store, 6)), tmp_path / "kept.jsonl"
    first = [example for example, _ in zip(examples(store, asked, 1, kept), range(3), strict=False)]
    kept.write_text(kept.read_text() + '\n{"key": "cut o')
    searched = []
    monkeypatch.setattr("finetune.dataset.gather", lambda *given, **also: searched.append(1) or gather(*given, **also))
    whole = list(examples(store, asked, 1, kept))
    assert whole == list(examples(store, asked, 1))
    assert whole[:3] == first
    again = len(searched)
    add("# Aardvarks\n\nThey eat ants.", "a.md")
    list(examples(store, asked, 1, kept))
    assert again < 2 * len(asked)
    assert len(searched) == again + len(asked)


def test_a_copy_of_what_answers_is_no_wrong_passage(add, made):
    add(HOUSE, "copy.md")
    for entry in (
        {"section": "Boiler service", "page": "note.md", "answers": ["Hansen & Sons"]},
        {"section": "Reading list on bread", "page": "note.md"},
    ):
        subject = entry["section"].lower()
        for each in made(*({"q": f"what about the {subject}, number {n}?", **entry} for n in range(12))):
            headings = [passage.heading for passage in each.passages]
            assert each.cited or entry["section"] not in headings


def test_a_public_set_is_indexed_and_its_answers_found(store, tmp_path):
    paragraph = "The café opened in 1921. It was sold to Ada Berg in 1960. The roof is made of slate."
    questions = [
        {"question": "When did the café open?", "answers": [{"text": "1921"}, {"text": "in 1921"}, {"text": "1921"}]},
        {"question": "When did the café burn down?", "answers": [], "is_impossible": True},
    ]
    file = tmp_path / "set.json"
    article = {"title": "Old_café", "paragraphs": [{"context": paragraph, "qas": questions}]}
    file.write_text(json.dumps({"data": [article]}))
    documents, asked = read_squad(file)
    index(store, documents)
    found = list(examples(store, asked, 1))
    assert {(each.answer, each.source) for each in found} == {("1921", "set/0-Old café"), ("", "set/0-Old café")}


def test_a_file_that_is_no_set_is_told(tmp_path):
    file = tmp_path / "set.json"
    file.write_text('{"data": [{"title": "x"}]}')
    with pytest.raises(NotesError, match=r"set.json: not a question set in the format of SQuAD"):
        read_squad(file)


def test_an_answer_in_a_long_text_stands_where_the_set_says(tmp_path):
    text = "It opened in 1921. " + "Nothing happened for a while there. " * 60 + "It was sold in 1921."
    answer = {"text": "1921", "answer_start": text.rindex("1921")}
    file = tmp_path / "set.json"
    paragraph = {"context": text, "qas": [{"question": "When was it sold?", "answers": [answer]}]}
    file.write_text(json.dumps({"data": [{"title": "Café", "paragraphs": [paragraph]}]}))
    [document], [asked] = read_squad(file)
    assert len(document.chunks) > 1
    assert asked.chunk.text.endswith("It was sold in 1921.")


@pytest.mark.parametrize("start", [{}, {"answer_start": None}, {"answer_start": -1}, {"answer_start": 3}])
def test_an_answer_that_does_not_stand_where_the_set_says_is_looked_for(tmp_path, start):
    text = "It opened at noon. " + "Nothing happened for a while there. " * 60 + "It was sold in 1921."
    file = tmp_path / "set.json"
    paragraph = {"context": text, "qas": [{"question": "Sold when?", "answers": [{"text": "1921", **start}]}]}
    file.write_text(json.dumps({"data": [{"title": "Café", "paragraphs": [paragraph]}]}))
    _, [asked] = read_squad(file)
    assert "1921" in asked.chunk.text


def test_a_set_with_an_empty_text_is_told(tmp_path):
    file = tmp_path / "set.json"
    paragraph = {"context": "", "qas": [{"question": "When?", "answers": []}]}
    file.write_text(json.dumps({"data": [{"title": "Café", "paragraphs": [paragraph]}]}))
    with pytest.raises(NotesError, match=r"set.json: not a question set in the format of SQuAD"):
        read_squad(file)
