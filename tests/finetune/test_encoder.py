import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from transformers import BertModel

from finetune import encoder
from finetune.encoder import Collection, Learner, Question, Run, late_interaction, merge, of_notes, of_set, save
from finetune.shipped import TUNING
from knowledge.encoder import SentenceTransformersEncoder
from knowledge.errors import NotesError
from knowledge.late_interaction import least, met, signs
from knowledge.models import sha256
from knowledge.settings import DEFAULT_EMBEDDING_MODEL
from tests.conftest import HOUSE

SHIPPED = Path(encoder.__file__).with_name("embedding")
QUESTIONS = (
    {"q": "who looks after the heating?", "section": "Boiler service"},
    {"q": "how hard should the bicycle be pumped?", "section": "Bike tyres"},
    {"q": "why does the boiler leak?", "section": "Boiler service", "answerable": False},
)
SQUAD = {
    "data": [
        {
            "title": title,
            "paragraphs": [
                {"context": context, "qas": [{"question": question, "answers": [{"text": answer}] if answer else []}]}
                for context, question, answer in paragraphs
            ],
        }
        for title, paragraphs in {
            "Rivers": [("The Rhine is 1,233 km long.", "How long is it?", "1,233 km")],
            "Hills": [
                ("Snowdon is 1,085 m high.", "How high?", "1,085 m"),
                ("Ben Nevis is in Scotland.", "Where?", ""),
            ],
        }.items()
    ]
}


@pytest.fixture(scope="module")
def base(models):
    return models / DEFAULT_EMBEDDING_MODEL


@pytest.fixture
def notes(tmp_path):
    file = tmp_path / "collections" / "house.md"
    file.parent.mkdir()
    file.write_text(HOUSE)
    file.with_suffix(".jsonl").write_text("".join(json.dumps(each) + "\n" for each in QUESTIONS))
    return file


@pytest.fixture
def squad(tmp_path):
    file = tmp_path / "set.json"
    file.write_text(json.dumps(SQUAD))
    return file


def test_late_interaction_is_what_a_search_finds(base):
    learner = Learner(base)
    questions, passages = ["How long is it?", "Where?!"], ["The Rhine is 1,233 km long.", "- Basel\n- Cologne", "..."]
    with torch.no_grad():
        means, lowest = late_interaction(learner.encode(questions, 64), learner.encode(passages, 64, groups=2))
    reference = SentenceTransformersEncoder(str(base))
    _, read = reference.encode_with_tokens(passages)
    _, asked = reference.encode_with_tokens(questions)
    for row, query in enumerate(asked):
        figures = met(query, [signs(tokens) for tokens in read[:2]])
        np.testing.assert_allclose(means[row, :2], figures.mean(axis=1), atol=1e-4)
        np.testing.assert_allclose(lowest[row, :2], least(figures), atol=1e-4)
    assert (means[:, 2] < means[:, :2].min(1).values).all()  # no words to meet those of the question


def test_notes_become_passages_with_what_each_question_is_about(notes, settings):
    house = of_notes(notes, settings)
    boiler, tyres = (
        next(row for row, text in enumerate(house.passages) if word in text) for word in ("Hansen", "6 bar")
    )
    assert [set(question.about) for question in house.questions] == [{boiler}, {tyres}, {boiler}]
    assert [question.answerable for question in house.questions] == [True, True, False]
    assert house.questions[0].coverage == {}
    assert house.questions[2].coverage[boiler] > 0


def test_each_article_of_a_set_is_a_collection(squad, settings):
    rivers, hills = of_set(squad, settings)
    assert (len(rivers.passages), len(hills.passages)) == (1, 2)
    assert [(each.text, each.answerable) for each in hills.questions] == [("How high?", True), ("Where?", False)]


def test_of_a_long_text_only_the_part_that_answers_is_right(squad, settings):
    text = "It opened in 1921. " + "Nothing happened for a while there. " * 60 + "It was sold in 1960."
    paragraph = {"context": text, "qas": [{"question": "When was it sold?", "answers": [{"text": "1960"}]}]}
    squad.write_text(json.dumps({"data": [{"title": "Café", "paragraphs": [paragraph]}]}))
    [cafe] = of_set(squad, settings)
    [[right]] = [question.about for question in cafe.questions]
    assert len(cafe.passages) > 1
    assert "1960" in cafe.passages[right]


def test_what_is_saved_is_a_share_of_the_mean_of_the_runs(base, tmp_path):
    learners = [Learner(base, seed) for seed in range(2)]
    name = "encoder.layer.0.attention.self.query"
    added = []
    for learner in learners:
        for parameter, weight in learner.model.named_parameters():
            if "lora_B" in parameter:
                torch.nn.init.normal_(weight, std=0.02)
        layer = learner.model.get_submodule(f"base_model.model.{name}")
        added.append(layer.get_delta_weight("default").detach())
    before = BertModel.from_pretrained(base).get_submodule(name).weight.detach()
    save(learners, tmp_path / "adapter")
    shutil.copytree(base, tmp_path / "tuned", ignore=shutil.ignore_patterns("*.onnx"))
    merge(tmp_path / "adapter", tmp_path / "tuned")
    after = BertModel.from_pretrained(tmp_path / "tuned").get_submodule(name).weight.detach()
    torch.testing.assert_close(after - before, 0.75 * (added[0] + added[1]) / 2, atol=1e-3, rtol=0)
    assert (after - before).abs().max() > 0.01


def test_the_shipped_adapter_changes_what_the_model_finds(base, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("*.onnx"))
    TUNING.embedding(folder)
    texts = ["who looks after the boiler?"]
    once, twice = (SentenceTransformersEncoder(str(each)).encode(texts)[0] for each in (base, folder))
    assert 0.5 < once @ twice < 0.99


PASSAGES = (
    "Zum Goldenen Hirsch\n18 rooms, from 90",
    "Blumenau\nTue to Sat",
    "Rota\nMina, Jo, Ali",
    "Kiln\n1,040 °C",
)
ASKED = {"where do we stay overnight?": 0, "when is the florist open?": 1, "who cleans when?": 2, "firing heat?": 3}
COLLECTION = Collection(PASSAGES, [Question(text, frozenset({row}), True, {}) for text, row in ASKED.items()])


def test_training_brings_what_answers_nearer(base, tmp_path):
    learner = Learner(base)
    losses = list(Run(learner, [COLLECTION], [], 12, tmp_path / "run.pt").train())
    assert losses[-1] < losses[0]

    save([learner], tmp_path / "adapter")
    tuned = tmp_path / "tuned"
    shutil.copytree(base, tuned, ignore=shutil.ignore_patterns("*.onnx"))
    merge(tmp_path / "adapter", tuned)
    before, after = (_cosines(folder, list(ASKED), PASSAGES) for folder in (base, tuned))
    assert (after > before).all()


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(base, tmp_path, monkeypatch):
    monkeypatch.setattr(encoder, "_CHECKPOINT_STEPS", 2)
    whole = list(Run(Learner(base), [COLLECTION], [], 6, tmp_path / "whole.pt").train())
    stopped = Run(Learner(base), [COLLECTION], [], 6, tmp_path / "run.pt")
    for _ in zip(range(3), stopped.train(), strict=False):
        pass
    again = Run(Learner(base), [COLLECTION], [], 6, tmp_path / "run.pt")
    assert again.step == 2
    assert list(again.train()) == pytest.approx(whole[2:], rel=1e-3)


def test_a_run_of_other_texts_is_left_alone(base, tmp_path):
    list(Run(Learner(base), [COLLECTION], [], 1, tmp_path / "run.pt").train())
    with pytest.raises(NotesError, match=r"run\.pt: is of other texts or steps"):
        Run(Learner(base), [COLLECTION], [COLLECTION], 1, tmp_path / "run.pt")


def _cosines(folder, questions, passages):
    """Of each question with its passage, less the mean of those with the others."""
    model = SentenceTransformersEncoder(str(folder))
    cosines = model.encode(questions) @ model.encode(passages).T
    return cosines.diagonal() - (cosines.sum(axis=1) - cosines.diagonal()) / (len(passages) - 1)


def _command(base, squad, out):
    arguments = ["--base", base, "--squad", squad, "--steps", 2, "--out", out]
    return CliRunner().invoke(encoder.main, list(map(str, arguments)))


def test_the_command_makes_an_adapter(notes, squad, base, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(encoder, "NOTES", notes.parent)
    monkeypatch.setattr(encoder, "EMBEDDING_BASE_SHA256", sha256(base / "model.safetensors"))
    monkeypatch.setenv("ASKMYNOTES_HOME", str(settings.home))
    out = tmp_path / "adapter"
    done = _command(base, squad, out)
    assert done.exit_code == 0, done.output
    learnt, shipped = (json.loads((folder / "adapter_config.json").read_text()) for folder in (out, SHIPPED))
    assert learnt["lora_alpha"] == shipped["lora_alpha"]
    assert sorted(learnt["target_modules"]) == sorted(shipped["target_modules"])
    assert (out / "adapter_model.safetensors").is_file()
    assert not list(out.glob("*.pt"))


def test_a_base_that_is_tuned_already_is_refused(squad, base, tmp_path):
    refused = _command(base, squad, tmp_path / "adapter")
    assert refused.exit_code == 1
    assert "is not the model that set-up adds the adapter to" in refused.output
