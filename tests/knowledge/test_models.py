import pytest

from finetune.shipped import tune
from knowledge.errors import NotesError
from knowledge.models import BASE_LANGUAGE_MODEL, default_language_model, install, installed, read_card
from knowledge.settings import DEFAULT_EMBEDDING_MODEL


def test_installing_again_does_nothing(models):
    lines = []
    install(models, tune, lines.append)
    names = ("all-MiniLM-L6-v2", "SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-askmynotes.Q8_0.gguf")
    assert lines == [f"{name}: already installed" for name in names]


def test_a_damaged_language_model_is_noticed(tmp_path, models):
    path = tmp_path / default_language_model(models).path.name
    path.write_bytes(b"GGUF" + b"\0" * 1000)
    assert "damaged" in default_language_model(tmp_path).problem
    problems = [model.problem for model in installed(tmp_path)]
    assert problems == ["not installed", "damaged: its checksum is wrong", "not installed"]


def test_other_models_in_the_folder_are_listed(tmp_path):
    (tmp_path / "mine.gguf").write_bytes(b"x")
    assert [model.name for model in installed(tmp_path)][3:] == ["mine.gguf"]


def test_a_file_that_is_no_model_is_told(tmp_path):
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"garbage" * 100)
    with pytest.raises(NotesError, match="not a whole GGUF"):
        read_card(path)


def test_a_failed_download_leaves_what_was_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_RETRIES", "0")
    kept = default_language_model(tmp_path).path
    kept.write_bytes(b"damaged, but mine")
    with pytest.raises(NotesError, match="could not be fetched"):
        install(tmp_path, tune, lambda line: None)
    assert kept.read_bytes() == b"damaged, but mine"
    assert not (tmp_path / ".installing").exists()


def test_a_tuned_model_of_other_bytes_is_not_installed(tmp_path, models):
    for name in (DEFAULT_EMBEDDING_MODEL, BASE_LANGUAGE_MODEL):
        (tmp_path / name).symlink_to(models / name)
    with pytest.raises(NotesError, match="unexpected checksum"):
        install(tmp_path, lambda base, target: target.write_bytes(b"GGUF of another day"), lambda line: None)
    assert default_language_model(tmp_path).problem == "not installed"
