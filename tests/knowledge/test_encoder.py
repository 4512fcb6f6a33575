import json
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest

from knowledge.encoder import (
    ONNX_FILE,
    TOLERANCE,
    OnnxEncoder,
    SentenceTransformersEncoder,
    choose_precision,
    encoder_name,
    load_encoder,
)
from knowledge.errors import NotesError
from knowledge.settings import DEFAULT_EMBEDDING_MODEL

TEXTS = [
    "short",
    "How do I mend broken unicode?",
    "A longer text about many things. " * 60,
    "",
    "سلام دنیا",
    "x" * 5000,
]


@pytest.fixture(scope="module")
def encoder(models):
    return OnnxEncoder(models / DEFAULT_EMBEDDING_MODEL)


def test_the_fast_encoder_equals_the_reference(encoder, models):
    reference = SentenceTransformersEncoder(str(models / DEFAULT_EMBEDDING_MODEL))
    assert np.abs(encoder.encode(TEXTS) - reference.encode(TEXTS)).max() < TOLERANCE
    assert encoder.max_tokens == reference.max_tokens == 254
    assert encoder.token_starts("Fix broken unicode") == reference.token_starts("Fix broken unicode")


def test_the_word_pieces_have_the_vectors_that_the_reference_pools(encoder, models):
    reference = SentenceTransformersEncoder(str(models / DEFAULT_EMBEDDING_MODEL))
    ours, theirs = encoder.encode_with_tokens(TEXTS), reference.encode_with_tokens(TEXTS)
    assert np.abs(ours[0] - theirs[0]).max() < TOLERANCE
    for mine, other in zip(ours[1], theirs[1], strict=True):
        assert mine.shape == other.shape
        assert not len(mine) or np.abs(mine - other).max() < 10 * TOLERANCE
    assert [len(pieces) for pieces in encoder.encode_with_tokens(["a b, c?", "…", ""])[1]] == [3, 0, 0]


def test_vectors_are_of_unit_length_and_do_not_depend_on_their_neighbours(encoder):
    together = encoder.encode(TEXTS)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for text, vector in zip(TEXTS, together, strict=True):
        assert np.abs(encoder.encode([text])[0] - vector).max() < 1e-5


def test_the_small_encoder_stays_close_where_it_was_chosen(encoder, models):
    name = encoder_name(DEFAULT_EMBEDDING_MODEL, models)
    assert json.loads((models / DEFAULT_EMBEDDING_MODEL / "encoder.json").read_text())["reason"]
    if name == DEFAULT_EMBEDDING_MODEL:
        pytest.skip("float32 was chosen on this machine")
    small = load_encoder(name, models)
    assert (encoder.encode(TEXTS) * small.encode(TEXTS)).sum(axis=1).min() >= 0.95


def test_the_small_encoder_is_not_used_where_it_is_not_faithful(tmp_path, models, monkeypatch):
    folder = tmp_path / DEFAULT_EMBEDDING_MODEL
    shutil.copytree(models / folder.name, folder)
    monkeypatch.setattr("knowledge.encoder.INT8_COSINE", 1.1)
    assert "float32 is used" in choose_precision(folder)
    assert encoder_name(folder.name, tmp_path) == folder.name
    assert load_encoder(folder.name, tmp_path).encode(["a"]).shape == (1, 384)


def test_a_lone_surrogate_is_no_obstacle(encoder):
    assert encoder.encode(["broken \ud800 text"]).shape == (1, 384)


def test_loading_the_default_model_imports_no_torch(models):
    code = (
        "import sys; from pathlib import Path; from knowledge.encoder import encoder_name, load_encoder;"
        f"models = Path({str(models)!r}); name = encoder_name({DEFAULT_EMBEDDING_MODEL!r}, models);"
        "load_encoder(name, models).encode(['a']);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_missing_model_names_the_command_that_mends_it(tmp_path):
    with pytest.raises(NotesError, match="askmynotes models install"):
        load_encoder(DEFAULT_EMBEDDING_MODEL, tmp_path)


def test_a_damaged_model_is_told(tmp_path, models):
    folder = tmp_path / DEFAULT_EMBEDDING_MODEL
    folder.mkdir()
    for name in ("tokenizer.json", "sentence_bert_config.json"):
        (folder / name).write_bytes((models / folder.name / name).read_bytes())
    (folder / ONNX_FILE).write_bytes(b"garbage")
    with pytest.raises(NotesError, match="damaged"):
        load_encoder(folder.name, tmp_path)


class Planted:
    """Runs a command when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.system, (f"touch {self.mark}",))


def test_weights_that_are_a_pickle_are_not_executed(tmp_path, models):
    folder = tmp_path / "planted"
    shutil.copytree(models / DEFAULT_EMBEDDING_MODEL, folder, ignore=shutil.ignore_patterns("*.onnx", "*.safetensors"))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Planted(tmp_path / "mark")))
    with pytest.raises(NotesError, match="cannot be loaded"):
        load_encoder(str(folder), tmp_path)
    assert not (tmp_path / "mark").exists()


def test_a_model_that_brings_its_own_code_is_refused(tmp_path, models):
    folder = tmp_path / "planted"
    shutil.copytree(models / DEFAULT_EMBEDDING_MODEL, folder, ignore=shutil.ignore_patterns("*.onnx"))
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "planted.Planted"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "planted.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\nclass Planted: ...\n")
    with pytest.raises(NotesError, match="cannot be loaded"):
        load_encoder(str(folder), tmp_path)
    assert not (tmp_path / "mark").exists()
