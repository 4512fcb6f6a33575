import json
import re

import pytest

from tests.chatbot.engines.test_openai import Server, event, streamed
from tests.conftest import HOUSE
from tests.finetune.test_cli import run

BOILER = {"q": "How much does the contract for the Hansen boiler cost?", "section": "Boiler service", "must": ["120"]}
GOOD = "what do I pay for the contract for the Hansen boiler?"
#: another name, another number, the answer inside, another meaning, too long, and the same words
BAD = (
    "what do I pay for the contract for the boiler?",
    "what do I pay for 2 contracts for the Hansen boiler?",
    "does the contract for the Hansen boiler cost 120 euros?",
    "which bread does Hansen bake?",
    f"{GOOD} {GOOD} {GOOD}",
    "how much does the contract for the Hansen boiler cost",
)


class Writer(Server):
    """A server that answers with these lines, but not for so many times after the first `fails_after`."""

    def __init__(self, *lines, fails_after=99):
        super().__init__(completions=self._write)
        self.lines, self.left = lines, fails_after

    def _write(self, request, connection):
        self.left -= 1
        if self.left < 0:
            return streamed(event(None, error={"message": "out of memory"}))(request, connection)
        text = "\n".join(f"{number}. {line}" for number, line in enumerate(self.lines, start=1))
        return streamed(event(text), event(finish="stop"), b"data: [DONE]\n\n")(request, connection)

    @property
    def asked(self):
        return [body["messages"][1]["content"] for path, _, body in self.requests if path.endswith("/completions")]


@pytest.fixture
def data(add, settings, tmp_path):
    """A function that has a server rephrase questions; returns the outcome and the questions of all examples."""
    add(HOUSE)

    def data(server, *entries, draft=0):
        file = tmp_path / "questions.jsonl"
        file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        (settings.home / "config.toml").write_text(f'openai_url = "{server.url}"\n')
        arguments = ["finetune", "data", "--draft", draft, "--questions", file, "--paraphrase-with", "openai"]
        outcome = run(*arguments, "--out", tmp_path / "data", "--home", settings.home)
        lines = [line for path in (tmp_path / "data").glob("[tv]*.jsonl") for line in path.read_text().splitlines()]
        return outcome, {json.loads(line)["question"] for line in lines}

    return data


def test_a_server_asks_in_other_words_and_what_asks_something_else_is_left_out(data):
    with Writer(*BAD, GOOD) as server:
        outcome, questions = data(server, BOILER)
    assert outcome.exit_code == 0, outcome.output
    assert questions == {BOILER["q"], GOOD}
    assert "1 of 7 other ways to ask by openai are kept" in outcome.output
    assert server.asked == [f"Question: {BOILER['q']}"]


def test_what_was_written_before_a_failure_is_not_asked_for_again(data, tmp_path):
    entries = [BOILER, {"q": "How hard are the tyres?", "section": "Bike tyres", "must": ["6 bar"]}]
    with Writer(GOOD, fails_after=1) as server:
        outcome, _ = data(server, *entries)
    assert outcome.exit_code == 1
    assert re.search(r"Error: .*out of memory.*the same command goes on$", outcome.output.strip())
    kept = tmp_path / "data" / "paraphrases.jsonl"
    kept.write_text(kept.read_text() + '\n{"key": "cut o')  # as it was when the power went
    with Writer("how hard should the tyres be?") as server:
        outcome, questions = data(server, *entries)
    assert outcome.exit_code == 0, outcome.output
    assert server.asked == ["Question: How hard are the tyres?"]
    assert GOOD in questions


def test_an_engine_that_writes_nothing_is_refused(add, settings):
    add(HOUSE)
    for engine, told in (("extract", "writes nothing"), ("oracle", "there is no engine 'oracle'")):
        outcome = run("finetune", "data", "--paraphrase-with", engine, "--home", settings.home)
        assert (outcome.exit_code, told in outcome.output) == (1, True), outcome.output
