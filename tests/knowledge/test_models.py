import pytest

from knowledge.errors import NotesError
from knowledge.models import default_language_model, install, installed, read_card


def test_installing_again_does_nothing(models):
    lines = []
    install(models, lines.append)
    assert lines == ["all-MiniLM-L6-v2: already installed", "SmolLM2-135M-Instruct.Q4_1.gguf: already installed"]


def test_a_damaged_language_model_is_noticed(tmp_path, models):
    path = tmp_path / default_language_model(models).path.name
    path.write_bytes(b"GGUF" + b"\0" * 1000)
    assert "damaged" in default_language_model(tmp_path).problem
    assert [model.problem for model in installed(tmp_path)] == ["not installed", "damaged: its checksum is wrong"]


def test_other_models_in_the_folder_are_listed(tmp_path):
    (tmp_path / "mine.gguf").write_bytes(b"x")
    assert [model.name for model in installed(tmp_path)][2:] == ["mine.gguf"]


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
        install(tmp_path, lambda line: None)
    assert kept.read_bytes() == b"damaged, but mine"
    assert not (tmp_path / ".installing").exists()
