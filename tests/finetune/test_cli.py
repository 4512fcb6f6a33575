import json
import re
import shutil

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from chatbot.cli import cli
from chatbot.engines import load_engine
from finetune.shipped import ADAPTER
from knowledge.prompt import Passage, build_prompt
from knowledge.settings import load_settings
from tests.conftest import HOUSE
from tests.finetune.test_export import make_adapter, make_base


def run(*arguments):
    return CliRunner().invoke(cli, list(map(str, arguments)))


def logged(store):
    """Of each run of MLflow its state, how many steps were logged, and the last validation loss."""
    client = MlflowClient(f"sqlite:///{store}")
    runs = client.search_runs([client.get_experiment_by_name("askmynotes").experiment_id])
    return [
        (
            run.info.status,
            len(client.get_metric_history(run.info.run_id, "training_loss")),
            run.data.metrics["validation_loss"],
        )
        for run in runs
    ]


@pytest.fixture
def small(settings, tmp_path, monkeypatch):
    """A home of its own models, in which the language model and the adapter that are shipped are small ones."""
    shared = settings.models.resolve()
    settings.models.unlink()  # what is exported stays in this home
    settings.models.mkdir()
    for model in shared.iterdir():
        (settings.models / model.name).symlink_to(model)
    make_base(settings.models / "small")
    monkeypatch.setattr("knowledge.models.BASE_LANGUAGE_MODEL", "small")
    prompts = ADAPTER.with_name("prompts.jsonl")
    monkeypatch.setattr("finetune.shipped.ADAPTER", make_adapter(tmp_path / "shipped" / "adapter"))
    shutil.copy(prompts, tmp_path / "shipped")


def test_from_questions_to_a_model_that_the_chat_loads(add, settings, small, tmp_path):
    add(HOUSE)
    questions = tmp_path / "questions.jsonl"
    entries = [
        {"q": f"{ask} the boiler?", "section": "Boiler service", "answers": ["Hansen & Sons"]}
        for ask in ("who looks after", "who services", "who is paid for", "whom do I call about", "who comes for")
    ]
    questions.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    data = tmp_path / "data"
    made = run("finetune", "data", "--draft", 0, "--questions", questions, "--out", data, "--home", settings.home)
    assert made.exit_code == 0, made.output
    counts = json.loads((data / "card.json").read_text())
    assert counts["train"]["examples"] + counts["valid"]["examples"] >= 5
    lines = [line for name in ("train", "valid") for line in (data / f"{name}.jsonl").read_text().splitlines()]
    for name in ("train", "valid"):  # one source: all of it lies on one side
        (data / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    out = tmp_path / "run"
    arguments = ["finetune", "train", "--data", data, "--out", out, "--budget", "1s", "--home", settings.home]
    trained = run(*arguments)
    assert trained.exit_code == 0, trained.output
    assert "steps of 16 examples" in trained.output
    assert f"askmynotes finetune evaluate {out / 'adapter'} --data {data}\n" in trained.output
    assert (out / "training.png").read_bytes().startswith(b"\x89PNG")
    again = run(*arguments)
    assert "is trained to its end" in again.output
    curve = json.loads((out / "training.json").read_text())
    assert logged(settings.home / "mlflow.sqlite") == [("FINISHED", len(curve["training"]), curve["validation"][-1][1])]
    evaluate = ["finetune", "evaluate", out / "adapter", "--data", data, "--json", "--home", settings.home]
    evaluated = run(*evaluate)
    assert json.loads(evaluated.output)["examples"] == len(lines), evaluated.output
    kept = (out / "adapter" / "replies.jsonl").read_text()
    (out / "adapter" / "replies.jsonl").write_text(kept[:-30])  # as it was when the power went
    assert json.loads(run(*evaluate).output.splitlines()[-1]) == json.loads(evaluated.output)
    asked = (out / "adapter" / "replies.jsonl").read_text()
    assert asked.count("\n") == kept.count("\n") + 1  # no other was asked again
    export = ["finetune", "export", out / "adapter", "--name", "mine.gguf", "--precision", "f16"]
    exported = run(*export, "--home", settings.home)
    assert exported.exit_code == 0, exported.output
    same = re.search(r"as transformers does to (\d+) of 20 prompts", exported.output)
    assert int(same[1]) >= 10, exported.output  # the best tokens of random weights lie close: rounding changes some
    assert run("finetune", "use", "mine.gguf", "--home", settings.home).exit_code == 0
    engine = load_engine(load_settings(settings.home), "gpt4all")
    prompt = build_prompt("Who?", [Passage("Boiler", ("Hansen services the boiler.",))], engine.prompt_bytes)
    assert "".join(engine.stream(prompt, 8))


def test_a_persons_own_word_on_a_question_stands_in_place_of_the_draft(add, settings, tmp_path):
    add("# How do I fix broken text?\n\nUse ftfy, or by hand with great care.")
    own = tmp_path / "own.jsonl"
    entry = {"q": "How do I fix broken text?", "section": "How do I fix broken text?", "answers": ["great care"]}
    own.write_text(json.dumps(entry))
    made = run("finetune", "data", "--questions", own, "--home", settings.home)
    assert made.exit_code == 0, made.output
    lines = [line for name in ("train", "valid") for line in (settings.home / f"finetune/{name}.jsonl").open()]
    examples = [json.loads(line) for line in lines]
    answers = {each.get("answer") for each in examples if each["question"] == entry["q"]}
    assert answers <= {"great care", None}
    assert "great care" in answers


@pytest.mark.parametrize("command", ["train", "tune"])
def test_examples_of_which_nothing_can_be_learnt_are_told(settings, small, tmp_path, command):
    example = {"question": "who?", "passages": [{"heading": "A", "lines": ["b"]}], "source": "a"}
    for name in ("train", "valid"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(example))
    outcome = run("finetune", command, "--data", tmp_path, "--budget", "1s", "--home", settings.home)
    assert outcome.exit_code == 1, outcome.output
    assert "train.jsonl: holds no example with an answer" in outcome.output


def test_an_adapter_of_a_base_that_is_not_there_asks_for_it(settings, small, tmp_path):
    adapter = make_adapter(tmp_path / "adapter")
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "/a/other.gguf"}))
    outcome = run("finetune", "export", adapter, "--home", settings.home)
    assert outcome.exit_code == 1
    assert "was trained on other.gguf, which is not in" in outcome.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["data", "--draft", "0"], 2, "Name a file"),
        (["data"], 1, "there are no notes to draw questions from"),
        (["evaluate"], 1, "holds no adapter"),
        (["evaluate", "."], 1, "holds no adapter"),
        (["tune", "--budget", "soon"], 2, "is no time such as"),
        (["use", "nonsense"], 1, "there is no model or adapter 'nonsense'"),
        (["data", "--questions", "nowhere.jsonl"], 2, "does not exist"),
        (["train", "--budget", "soon"], 2, "'soon' is no time such as 20m or 2h"),
        (["train"], 1, "train.jsonl: cannot be read"),
        (["export", "."], 1, "holds no adapter"),
        (["export"], 1, "holds no adapter"),
        (["export", ".", "--name", "../mine.gguf"], 2, "is no file name that ends in .gguf"),
        (["exprot"], 2, "Did you mean 'export'?"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(settings, arguments, code, message):
    outcome = run("finetune", *arguments, *(["--home", settings.home] if arguments != ["exprot"] else []))
    assert outcome.exit_code == code, outcome.output
    assert message in outcome.output
    assert "Traceback" not in outcome.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "--budget", "0m"], 2, "'0m' is no time such as 20m or 2h"),
        (["train", "--budget", "1m", "--epochs", "1"], 2, "Give --budget or --epochs, not both"),
        (["train"], 1, "`askmynotes finetune data` makes it"),
        (["train", "--start-from", "."], 1, "holds no adapter"),
        (["data", "--out", "setup.cfg/x"], 1, "cannot be written"),
    ],
)
def test_what_else_is_wrong_is_told_before_any_work(settings, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "setup.cfg").write_text("")
    outcome = run("finetune", *arguments, "--home", settings.home)
    assert outcome.exit_code == code, outcome.output
    assert message in outcome.output
    assert "Traceback" not in outcome.output
