import dataclasses
import shutil

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from chatbot.doctor import examine
from knowledge.errors import NotesError
from knowledge.reranker import load_reranker
from knowledge.settings import DEFAULT_EMBEDDING_MODEL
from knowledge.store import Store

NOTES = """## Kettle
Descale the kettle with vinegar once a month.

## Kettle, the red one
The kettle was a gift of Ada.

## Bicycle
Oil the chain after rain.
"""
QUESTION = "how is the kettle descaled?"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, models):
    """A small cross-encoder that has learnt to like gifts, whatever is asked."""
    folder = tmp_path_factory.mktemp("models") / "likes-gifts"
    tokenizer = AutoTokenizer.from_pretrained(models / DEFAULT_EMBEDDING_MODEL)
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(tokenizer), num_labels=1, hidden_dropout_prob=0.0, **size)
    model = BertForSequenceClassification(config)
    texts = [NOTES.split("## ")[2], "A gift of Ada.", *NOTES.split("## ")[1::2], "Descale it."]
    inputs = tokenizer([QUESTION] * len(texts), texts, padding=True, return_tensors="pt")
    wanted = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(40):
        torch.nn.functional.binary_cross_entropy_with_logits(model(**inputs).logits[:, 0], wanted).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def reranked(store, settings):
    """Opens the same notes with a reranker."""
    stores = []

    def reranked(name):
        stores.append(Store(dataclasses.replace(settings, reranker=str(name))))
        return stores[-1]

    yield reranked
    for each in stores:
        each.close()


def test_a_reranker_reads_the_best_passages_again(add, store, reranked, tiny):
    add(NOTES)
    before, after = store.search(QUESTION, 3), reranked(tiny).search(QUESTION, 3)
    assert before[0].chunk.heading == "Kettle"
    assert after[0].chunk.heading == "Kettle, the red one"
    relevance = {hit.chunk.heading: hit.relevance for hit in after}
    assert relevance["Kettle"] < 0.2 < 0.8 < relevance["Kettle, the red one"] <= 1
    assert {hit.relevance for hit in before} == {0}


def test_what_it_does_not_read_comes_behind(add, reranked, tiny):
    add("".join(f"## Kettle {n}\nThe kettle {n} is descaled with vinegar.\n" for n in range(20)))
    hits = reranked(tiny).search(QUESTION, 20)
    assert [hit.relevance > 0 for hit in hits] == [True] * 10 + [False] * 10


@pytest.mark.parametrize("question", ["", "\ud800", "word " * 2000])
def test_any_question_can_be_asked(add, reranked, tiny, question):
    add(NOTES)
    assert isinstance(reranked(tiny).search(question, 3), list)


def test_it_is_found_by_its_name_in_the_folder_of_models(tiny):
    assert load_reranker(tiny.name, tiny.parent).figures("q", ["a", "b"])


def no_weights(folder):
    (folder / "model.safetensors").write_bytes(b"garbage")


def no_config(folder):
    (folder / "config.json").unlink()


@pytest.mark.parametrize("damage", [no_weights, no_config])
def test_a_damaged_one_is_told_in_one_line(add, reranked, tiny, tmp_path, damage):
    add(NOTES)
    folder = shutil.copytree(tiny, tmp_path / "damaged")
    damage(folder)
    with pytest.raises(NotesError, match=r"damaged: the reranker cannot be loaded .*config\.toml") as error:
        reranked(folder).search(QUESTION, 3)
    assert "\n" not in str(error.value)


def test_a_model_that_is_none_is_refused(models):
    with pytest.raises(NotesError, match="is no reranker"):
        load_reranker(DEFAULT_EMBEDDING_MODEL, models)


def test_a_missing_one_is_told_by_the_commands(add, settings, run):
    add(NOTES)
    (settings.home / "config.toml").write_text('reranker = "nobody/nothing"\n')
    result = run("search", QUESTION)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: the reranker 'nobody/nothing' is not on this machine: set reranker to ")
    assert result.stderr.count("\n") == 1


def test_the_doctor_tells_whether_it_can_be_used(settings, tiny):
    findings = {}
    for name in ("", str(tiny), "nobody/nothing"):
        examined = examine(dataclasses.replace(settings, engine="extract", reranker=name))
        findings[name] = next((finding for finding in examined if finding.subject == "reranker"), None)
    assert findings[""] is None
    assert findings[str(tiny)].remedy is None
    assert "not on this machine" in findings["nobody/nothing"].state
    assert "config.toml" in findings["nobody/nothing"].remedy
