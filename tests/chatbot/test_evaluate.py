import fcntl
import json
import signal
import struct
import subprocess
import sys
import termios
from dataclasses import replace

import pytest

from chatbot.answer import Assistant
from chatbot.evaluate import (
    Question,
    ask,
    parse_change,
    percentile,
    plan,
    read_questions,
    sections,
    summarise,
    table,
)
from knowledge.documents import Chunk, Hit, Link
from knowledge.errors import NotesError
from tests.conftest import HOUSE, ROOT, ScriptedEngine
from tests.test_command_line import Terminal, fails


@pytest.fixture
def evaluate(add, store, settings):
    """Ask questions of the notes; returns the results."""
    add(HOUSE)
    assistant = Assistant(store, settings, "extract")
    return lambda *questions: [ask(question, assistant, store) for question in questions]


@pytest.fixture
def file(tmp_path):
    def file(*lines):
        path = tmp_path / "questions.jsonl"
        path.write_text("\n".join(json.dumps(line) if isinstance(line, dict) else line for line in lines))
        return path

    return file


# -- the file of questions -----------------------------------------------------------------------------------------


def test_a_question_may_name_all_that_it_wants(file):
    entry = {
        "q": "who?", "section": "A|B", "url": "https://a.example/", "page": "a.md", "must": ["x|y"], "answers": ["z"],
        "answerable": True, "after": ["before?"], "kind": "name",
    }  # fmt: skip
    [question] = read_questions(file(entry, ""))
    assert question == Question(
        "who?", "A|B", "https://a.example/", "a.md", ("x|y",), ("z",), after=("before?",), kind="name"
    )


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('["q"]', 'is not a JSON object with a "q"'),
        ('{"section": "x"}', 'has no "q"'),
        ('{"q": " "}', '"q" must be a text, not " "'),
        ('{"q": 7}', '"q" must be a text, not 7'),
        ('{"q": "a", "must": "x"}', '"must" must be a list of texts, not "x"'),
        ('{"q": "a", "must": ["|"]}', '"must" must be a list of texts'),
        ('{"q": "a", "answerable": "no"}', '"answerable" must be true or false, not "no"'),
        ('{"q": "a", "answer": ["x"]}', 'unknown key "answer"; did you mean "answers"?'),
        ('{"q": "a kind:poem"}', "kind:poem is no filter"),
        ('{"q": "a", "after": ["b", "c after:someday"]}', "after:someday is no filter"),
        ('{"q": "a", "zzz": 1}', 'unknown key "zzz"; known are q, section'),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong(file, line, wrong):
    path = file({"q": "fine"}, "", line)
    with pytest.raises(NotesError) as error:
        read_questions(path)
    assert str(error.value).startswith(f"{path}:3: {wrong}")


def test_a_file_without_questions_and_one_that_is_no_text_are_told(file, tmp_path):
    with pytest.raises(NotesError, match="holds no questions"):
        read_questions(file("", ""))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NotesError, match="cannot be read"):
        read_questions(tmp_path / "binary")


# -- what is right -------------------------------------------------------------------------------------------------


def chunk(heading="Boiler", source="/notes/house.md", links=(), url=None):
    return Chunk(source, "house", ("House", heading), (1, 2), "text", tuple(Link("x", each) for each in links), url=url)


@pytest.mark.parametrize(
    ("question", "passage", "wanted"),
    [
        (Question("", section="cellar | bOILER"), chunk(), True),
        (Question("", section="Boil"), chunk(), False),
        (Question("", section="a|b"), chunk("a|b"), True),
        (Question("", page="house.md"), chunk(), True),
        (Question("", page="notes/house.md"), chunk(), True),
        (Question("", page="/notes/house.md"), chunk(), True),
        (Question("", page="use.md"), chunk(), False),
        (Question("", page="house.md"), chunk(source="/notes/my-house.md"), False),
        (Question("", page="house.md"), chunk(source="/notes/export.zip/house.md"), True),
        (Question("", page="https://a.example/x"), chunk(source="/notes/a.warc#https://a.example/x"), True),
        (Question("", page="house.md", section="Roof"), chunk(), False),
        (Question("", url="http://A.example/x/"), chunk(links=["https://a.example/x"]), True),
        (Question("", url="https://a.example/x"), chunk(links=["https://a.example/y"]), False),
        (Question("", url="https://a.example/x", section="Roof"), chunk(url="https://a.example/x#part"), True),
        (Question("", url="https://a.example/x", section="Roof"), chunk(links=["https://a.example/x"]), False),
    ],
)
def test_the_wanted_passage_is_known_by_section_page_and_address(question, passage, wanted):
    assert question.is_wanted(passage) is wanted


def test_parts_of_a_section_count_once():
    hits = [Hit(chunk(heading), 1.0) for heading in ("Roof", "Roof", "Boiler", "Roof")]
    assert [hit.chunk.heading_path[-1] for hit in sections(hits)] == ["Roof", "Boiler"]


def test_the_95th_percentile_is_one_of_the_values():
    assert percentile([float(n) for n in range(100, 0, -1)], 95) == 95
    assert percentile([7.0], 95) == 7
    assert percentile([], 95) is None


# -- measures ------------------------------------------------------------------------------------------------------


def test_a_right_answer_scores_on_every_measure_it_says_something_about(evaluate):
    [result] = evaluate(
        Question(
            "who looks after the boiler?", section="boiler service", page="note.md", must=("Hansen|Miller",),
            url="https://hansen.example/contract", answers=("Meyer", "Boiler is serviced by Hansen Sons every October"),
        )
    )  # fmt: skip
    summary = summarise([result])
    assert result.rank == 1
    for name in ("hit@1", "mrr@10", "ndcg@10", "answered", "facts_shown", "url_shown", "citation_precision"):
        assert summary[name] == 1, name
    assert (summary["exact_match"], summary["f1"]) == (100, 100)
    assert summary["cited_support"] == 1
    assert summary["false_refusals"] == 0
    assert summary["refusal_recall"] is summary["refusal_precision"] is None
    assert summary["total_ms_median"] == summary["total_ms_p95"] > 0
    assert result.failures == []


def test_what_is_missing_is_counted_and_named(evaluate):
    [result] = evaluate(
        Question(
            "who looks after the boiler?", section="Bike tyres", must=("Hansen", "900 euros"),
            url="https://bread.example/book", answers=("6 bar",),
        )
    )  # fmt: skip
    assert result.rank in (2, 3), "one of the two that have nothing to do with it"
    scores = result.scores
    assert (scores["hit@1"], scores["hit@3"], scores["mrr@10"]) == (0, 1, 1 / result.rank)
    assert scores["ndcg@10"] == pytest.approx({2: 0.6309, 3: 0.5}[result.rank], abs=1e-4)
    assert (scores["facts_shown"], scores["url_shown"], scores["f1"]) == (0, 0, 0)
    assert [failure.split()[-1] for failure in result.failures] == ["first", "shown", "shown", "answer"]
    assert scores["citation_precision"] == 1, "its quote holds one of the facts"


def test_refusals_are_measured_both_ways(evaluate):
    results = evaluate(
        Question("who won the chess world championship in 1972?", answerable=False),
        Question("who looks after the boiler?", answerable=False),
        Question("how far do I pump the tyres?"),
        Question("which opening did Fischer play in Reykjavik?", must=("tyres",)),
    )
    assert [result.answer.route for result in results] == ["none", "notes", "notes", "none"]
    summary = summarise(results)
    assert (summary["refusal_recall"], summary["refusal_precision"], summary["false_refusals"]) == (0.5, 0.5, 0.5)
    assert summary["answered"] == 0.5
    assert summary["facts_shown"] == 0, "a refusal that lists the topic shows no fact"
    assert summary["hit@1"] is summary["f1"] is None
    assert results[1].failures == ["Answered, though the notes do not"]


def test_a_citation_is_right_where_it_lies_or_by_what_it_quotes(evaluate):
    question = "who looks after the boiler?"
    right, by_quote, wrong, unasked = evaluate(
        Question(question, section="Boiler service"),
        Question(question, must=("October",)),
        Question(question, section="Bike tyres"),
        Question(question),
    )
    assert [each.scores["citation_precision"] for each in (right, by_quote, wrong, unasked)] == [1, 1, 0, None]


def test_words_that_are_not_in_the_quote_are_found(add, store, settings):
    """No engine can show them, so that here an answer is altered after it was given."""
    add(HOUSE)
    result = ask(Question("who looks after the boiler?"), Assistant(store, settings, "extract"), store)
    said, *others = result.answer.parts
    altered = replace(said, text="The boiler is serviced by Miller.")
    result = replace(result, answer=replace(result.answer, parts=(altered, *others)))
    assert 0 < result.scores["cited_support"] < 1
    assert result.failures == ["Words that do not stand in the quote"]


def test_the_words_that_introduce_links_need_no_support(evaluate):
    [result] = evaluate(Question("where can I read about bread?", url="https://bread.example/book"))
    assert result.scores["url_shown"] == 1
    assert result.scores["cited_support"] is None


def test_earlier_questions_are_asked_first_in_the_same_conversation(evaluate):
    asked = "and where do I read about it?"
    alone, following = evaluate(Question(asked), Question(asked, after=("how far do I pump the tyres?",)))
    assert alone.found[0].chunk.heading_path[-1] == "Reading list on bread"
    assert following.found[0].chunk.heading_path[-1] == "Bike tyres"


# -- runs ----------------------------------------------------------------------------------------------------------


def test_runs_are_the_engines_and_one_more_for_each_setting(settings):
    runs = plan(settings, ["extract", "gpt4all", "extract"], [("model", "other.gguf")])
    assert [run.name for run in runs] == ["extract", "gpt4all", "extract model=other.gguf"]
    assert [run.settings.model for run in runs] == [settings.model, settings.model, "other.gguf"]
    assert [run.name for run in plan(settings, [], [])] == [settings.engine]


def test_a_setting_is_typed_and_one_that_needs_another_index_is_unknown():
    assert parse_change("model = a=b.gguf") == ("model", "a=b.gguf")
    assert parse_change("answer_seconds=7") == ("answer_seconds", 7)
    assert parse_change("allow_public_engine=true") == ("allow_public_engine", True)
    for text, wanted in (("answer_seconds=soon", "of type int"), ("allow_public_engine=yes", "true or false")):
        with pytest.raises(ValueError, match=f"must be {wanted}, not"):
            parse_change(text)
    with pytest.raises(ValueError, match="answer_seconds must be 1 or more, not -5"):
        parse_change("answer_seconds=-5")
    for text in ("embedding_model=x", "home=/", "max_file_mb=1", "openai_key=x", "model", ""):
        with pytest.raises(ValueError, match=r"KEY=VALUE with one of .*model"):
            parse_change(text)


def test_the_table_has_a_row_for_each_measure_that_was_observed(evaluate):
    results = evaluate(Question("how far do I pump the tyres?", must=("6 bar",)))
    lines = table({"extract": results, "another": results})
    assert lines[0].split() == ["of", "extract", "another"]
    assert [line.split()[-3:] for line in lines if line.startswith("all facts")] == [["1", "100.0%", "100.0%"]]
    assert not any("hit@1" in line or "F1" in line for line in lines)


# -- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def indexed(run, tmp_path):
    path = tmp_path / "notes" / "house.md"
    path.parent.mkdir()
    path.write_text(HOUSE)
    assert run("ingest", path.parent).returncode == 0
    return path


QUESTIONS = (
    {"q": "who services the boiler?", "section": "Boiler service", "must": ["Hansen"]},
    {"q": "who won the chess world championship in 1972?", "answerable": False},
)


def test_evaluate_prints_an_object_for_each_question_and_run_and_then_the_summaries(run, indexed, file):
    result = run("evaluate", file(*QUESTIONS), "--engine", "extract", "--set", "answer_seconds=9", "--json")
    assert result.returncode == 0, result.stderr
    lines = list(map(json.loads, result.stdout.splitlines()))
    runs = ["extract", "extract answer_seconds=9"]
    assert [line["run"] for line in lines] == [name for name in runs for _ in QUESTIONS] + runs
    first, refused = lines[:2]
    assert (first["q"], first["route"], first["rank"], first["facts_shown"]) == (QUESTIONS[0]["q"], "notes", 1, 1)
    assert "Hansen" in first["answer"]
    assert first["citations"][0]["source"] == str(indexed)
    assert set(first["timings_ms"]) == {"retrieve", "first_token", "total"}
    assert (refused["route"], refused["refusal_recall"], refused["rank"]) == ("none", 1, None)
    for line in lines[-2:]:
        assert line["summary"]["questions"] == 2
        assert (line["summary"]["hit@1"], line["summary"]["refusal_recall"], line["summary"]["f1"]) == (1, 1, None)


def test_engines_are_compared_in_one_table_and_a_missing_model_is_told(run, settings, indexed, file):
    (settings.home / "config.toml").write_text('model = "no.gguf"')
    result = run("evaluate", file(*QUESTIONS), "--engine", "extract", "--engine", "gpt4all")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0].split() == ["of", "extract", "gpt4all"]
    assert "found first (hit@1)" in result.stdout
    [line] = result.stderr.splitlines()
    assert line.startswith("gpt4all: 1 of the answers: ")
    assert "no.gguf" in line


def test_what_is_wrong_is_told_before_anything_is_loaded(run, indexed, file, tmp_path):
    bad = file({"q": "fine"}, {"q": "x", "anwers": []})
    assert fails(run("evaluate", bad), 1, f'{bad}:2: unknown key "anwers"; did you mean "answers"?')
    good = file(*QUESTIONS)
    assert fails(run("evaluate", good, "--set", "modle=x"), 2, "model", "--set")
    assert fails(run("evaluate", good, "--engine", "gpt5"), 2, "gpt5")
    assert fails(run("evaluate", good, "--report", tmp_path / "nowhere" / "r.html"), 1, tmp_path / "nowhere")
    assert fails(run("evaluate", good, "--report", tmp_path), 1, "is a folder")
    for wrong in (("evaluate",), ("evaluate", good, "--generate", 3), ("evaluate", good, "--out", "x"),
                  ("evaluate", tmp_path / "no.jsonl"), ("evaluate", "--generate", 0)):  # fmt: skip
        assert fails(run(*wrong), 2, "Error")


def test_a_run_that_fails_costs_nothing_of_those_before(run, indexed, file, tmp_path):
    report = tmp_path / "report.html"
    options = ("--engine", "extract", "--set", "reranker=typo", "--json", "--report", report)
    result = run("evaluate", file(*QUESTIONS), *options)
    assert fails(result, 1, "Error: ", "typo")
    assert json.loads(result.stdout.splitlines()[-1])["summary"]["questions"] == 2
    assert "Evaluation" in report.read_text()


def test_without_notes_one_line_says_so(run, file):
    result = run("evaluate", file(*QUESTIONS))
    assert fails(result, 1, "askmynotes ingest")
    assert len(result.stderr.splitlines()) == 1


def test_ctrl_c_summarises_what_is_done(settings, indexed, file, tmp_path):
    questions = file(*[{"q": f"who services boiler number {n}?", "section": "Boiler service"} for n in range(5000)])
    report = tmp_path / "report.html"
    command = [
        sys.executable, "-m", "chatbot", "evaluate", str(questions), "--engine", "extract", "--json",
        "--report", str(report), "--home", str(settings.home),
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(3):
        assert json.loads(process.stdout.readline())["run"] == "extract"
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    summary = json.loads(output.splitlines()[-1])["summary"]
    assert 3 <= summary["questions"] < 5000
    assert errors.strip() == "Interrupted. This is what was done until then."
    assert "Evaluation" in report.read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_bar_names_the_question_at_hand(settings, indexed, file):
    terminal = Terminal("evaluate", file(*QUESTIONS), "--engine", "extract", "--home", settings.home)
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    terminal.until(r"extract:.*0/2.*who services the boiler\?")
    terminal.until("hit@1")
    assert terminal.exit_code() == 0


def test_an_engine_that_says_what_the_notes_support_is_scored_like_any_other(evaluate, store, settings):
    assistant = Assistant(store, settings)
    assistant._engine = ScriptedEngine("The boiler is serviced by", " Hansen & Sons.")
    question = Question("who fixes the boiler?", answers=("Hansen & Sons",))
    result = ask(question, assistant, store)
    assert result.as_dict()["engine"] == "scripted"
    # two of the six words that count are the answer's, and both of the answer's are there
    assert result.scores["f1"] == pytest.approx(50)
