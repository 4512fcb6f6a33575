import dataclasses
import json
from contextlib import closing

import pytest

from chatbot.doctor import Finding, examine
from ingest.pipeline import ingest
from knowledge.models import BASE_LANGUAGE_MODEL, default_language_model
from knowledge.settings import DEFAULT_EMBEDDING_MODEL, Settings
from knowledge.store import Store
from tests.chatbot.engines.test_openai import PARIS, serving


def found(subject, settings):
    return next(finding for finding in examine(settings) if finding.subject == subject)


def language_model(settings):
    return found("language model", settings)


@pytest.mark.parametrize(("model", "named"), [("", "small"), ("large", "large")])
def test_a_server_that_answers_is_found_with_its_model(tmp_path, model, named):
    with serving(PARIS) as server:
        finding = language_model(Settings(tmp_path, engine="openai", openai_url=server.url, openai_model=model))
    assert finding.state.startswith(f"{named} at {server.url}")
    assert finding.remedy is None
    assert server.paths == ["/v1/models"]


def test_a_model_that_the_server_does_not_have_is_found(tmp_path):
    with serving(PARIS) as server:
        finding = language_model(Settings(tmp_path, engine="openai", openai_url=server.url, openai_model="huge"))
    assert "small, large" in finding.state
    assert "config.toml" in finding.remedy


def test_a_server_that_is_not_running_is_found(tmp_path):
    finding = language_model(Settings(tmp_path, engine="openai", openai_url="http://127.0.0.1:9"))
    assert "no server answers" in finding.state
    assert finding.remedy


def test_a_model_given_by_its_path_is_found(tmp_path, models):
    path = tmp_path / "mine.gguf"
    assert language_model(Settings(tmp_path / "home", model=str(path))).remedy
    path.symlink_to(default_language_model(models).path)
    assert language_model(Settings(tmp_path / "home", model=str(path))).remedy is None


def test_quoting_needs_no_language_model(tmp_path):
    assert language_model(Settings(tmp_path, engine="extract")).remedy is None


def test_an_index_of_another_embedding_model_is_found_with_the_command_that_renews_it(store, settings, add, models):
    add("## A\ntext\n")
    assert found("index", settings).remedy is None
    other = dataclasses.replace(settings, embedding_model=str(models / DEFAULT_EMBEDDING_MODEL))
    finding = found("index", other)
    assert "1 passages from 1 documents, made otherwise than is set now (all-MiniLM" in finding.state
    assert finding.remedy == "askmynotes ingest"
    with closing(Store(other)) as renewed:
        ingest(renewed, other, [])
    assert found("index", other).remedy is None


def test_an_adapter_is_found_with_its_base(tmp_path):
    settings = Settings(tmp_path, engine="lora")
    missing = language_model(settings)
    assert "holds no adapter" in missing.state
    assert "config.toml" in missing.remedy
    adapter = tmp_path / "adapters" / "mine" / "adapter"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": BASE_LANGUAGE_MODEL}))
    (adapter / "adapter_model.safetensors").touch()
    assert language_model(settings).remedy == "askmynotes models install"
    settings.models.mkdir()
    (settings.models / BASE_LANGUAGE_MODEL).touch()
    assert language_model(settings) == Finding("language model", f"{adapter} on {BASE_LANGUAGE_MODEL}")


def test_an_embedding_model_that_is_gone_is_told_and_is_no_fault_of_the_index(store, settings, add, tmp_path):
    add("## A\ntext\n")
    lost = dataclasses.replace(settings, embedding_model=str(tmp_path / "gone"))
    assert "is not on this machine" in found("embedding model", lost).state
    assert "embedding_model" in found("embedding model", lost).remedy
    assert found("index", lost).remedy is None


def test_an_index_that_cannot_be_opened_is_not_mended_by_adding_to_it(tmp_path):
    (tmp_path / "catalogue.sqlite").write_text("no database " * 100)
    finding = found("index", Settings(tmp_path, engine="extract"))
    assert "move the file away" in finding.state
    assert "askmynotes ingest" not in finding.remedy
