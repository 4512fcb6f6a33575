import hashlib
import json

import pytest

from finetune.shipped import TUNING
from knowledge.errors import NotesError
from knowledge.models import BASE_LANGUAGE_MODEL, add, default_language_model, install, installed, read_card
from knowledge.settings import DEFAULT_EMBEDDING_MODEL
from tests.web import WebServer, head, page, raw


def test_installing_again_does_nothing(models):
    lines = []
    install(models, TUNING, lines.append)
    names = (DEFAULT_EMBEDDING_MODEL, "SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-askmynotes.Q8_0.gguf")
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
        install(tmp_path, TUNING, lambda line: None)
    assert kept.read_bytes() == b"damaged, but mine"
    assert not (tmp_path / ".installing").exists()


def test_a_tuned_model_of_other_bytes_is_not_installed(tmp_path, models):
    for name in (DEFAULT_EMBEDDING_MODEL, BASE_LANGUAGE_MODEL):
        (tmp_path / name).symlink_to(models / name)
    with pytest.raises(NotesError, match="unexpected checksum"):
        install(tmp_path, TUNING._replace(language=lambda _, target: target.write_bytes(b"GGUF of another day")), print)
    assert default_language_model(tmp_path).problem == "not installed"


# -- other models ----------------------------------------------------------------------------------------------------


@pytest.fixture
def gguf(tmp_path):
    """A small GGUF file, with no more in it than makes it one."""
    from gguf import GGUFWriter

    path = tmp_path / "elsewhere" / "small.gguf"
    path.parent.mkdir()
    writer = GGUFWriter(path, "llama")
    writer.add_string("general.license", "mit")
    writer.add_string("general.description", "x" * 3_000_000)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def nothing(done, total):
    pass


@pytest.fixture
def catalogue(gguf, monkeypatch):
    """GPT4All's catalogue with that one model in it, on this machine."""
    data = gguf.read_bytes()
    with WebServer({"/small.gguf": page(data, "application/octet-stream")}) as web:
        entry = {"name": "Small One", "filename": "small.gguf", "filesize": str(len(data))}
        entry |= {"md5sum": hashlib.md5(data).hexdigest(), "url": web.url("/small.gguf")}
        web.routes["/models"] = lambda *given: page(json.dumps([entry]), "application/json")(*given)
        web.entry = entry
        monkeypatch.setattr("knowledge.models._CATALOGUE", web.url("/models"))
        yield web


def test_a_file_of_this_machine_becomes_a_model_and_stays_where_it_was(tmp_path, gguf):
    model = add(tmp_path / "models", str(gguf), nothing)
    assert (model.name, model.licence, model.size) == ("small.gguf", "mit", gguf.stat().st_size)
    assert [each.name for each in installed(tmp_path / "models")][3:] == ["small.gguf"]
    assert gguf.is_file()
    with pytest.raises(NotesError, match="already"):
        add(tmp_path / "models", str(gguf), nothing)


def test_a_file_on_another_disk_is_copied_with_its_progress(tmp_path, gguf, monkeypatch):
    def refused(*paths):
        raise OSError("another disk")

    monkeypatch.setattr("os.link", refused)
    heard = []
    model = add(tmp_path / "models", str(gguf), lambda *done: heard.append(done))
    assert model.path.read_bytes() == gguf.read_bytes()
    total = gguf.stat().st_size
    assert heard[0] == (0, total) and heard[-1] == (total, total) and len(heard) > 3


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [("bad.gguf", b"garbage" * 100, "not a whole GGUF"), ("notes.txt", b"GGUF", "no GGUF"), ("", b"", "no such file")],
)
def test_what_is_no_gguf_file_is_refused_and_nothing_is_left(tmp_path, name, text, told):
    path = tmp_path / (name or "missing.gguf")
    if name:
        path.write_bytes(text)
    with pytest.raises(NotesError, match=told):
        add(tmp_path / "models", str(path), nothing)
    assert not any((tmp_path / "models").iterdir())


@pytest.mark.parametrize("name", ["small one", "small", "SMALL.gguf"])
def test_a_model_of_the_catalogue_is_fetched_by_its_title_or_file(tmp_path, gguf, catalogue, name):
    heard = []
    model = add(tmp_path / "models", name, lambda *done: heard.append(done))
    assert model.path.read_bytes() == gguf.read_bytes()
    assert model.licence == "mit"
    assert heard[-1] == (model.size, model.size)


def test_a_download_that_was_broken_off_goes_on_from_there(tmp_path, gguf, catalogue):
    data = gguf.read_bytes()
    half = len(data) // 2
    catalogue.routes["/small.gguf"] = raw(head(200, f"Content-Length: {len(data)}") + data[:half])
    with pytest.raises(NotesError, match="goes on from there"):
        add(tmp_path / "models", "small", nothing)
    catalogue.routes["/small.gguf"] = raw(head(206, f"Content-Length: {len(data) - half}") + data[half:])
    assert add(tmp_path / "models", "small", nothing).path.read_bytes() == data
    assert catalogue.requests[-1].headers["range"] == f"bytes={half}-"


def test_a_download_of_other_bytes_or_a_strange_name_is_not_installed(tmp_path, gguf, catalogue):
    catalogue.routes["/small.gguf"] = page(bytes(gguf.stat().st_size), "application/octet-stream")
    with pytest.raises(NotesError, match="another checksum"):
        add(tmp_path / "models", "small", nothing)
    assert not any((tmp_path / "models").iterdir())
    catalogue.entry["filename"] = "../small.gguf"
    with pytest.raises(NotesError, match="no model has"):
        add(tmp_path / "models", "small one", nothing)
    catalogue.entry |= {"filename": "small.gguf", "url": f"file://{gguf}"}
    with pytest.raises(NotesError, match="no web address"):
        add(tmp_path / "models", "small one", nothing)


def test_a_name_that_the_catalogue_does_not_have_is_told_with_what_is_near(tmp_path, catalogue):
    with pytest.raises(NotesError, match="no such model; near to it: Small One"):
        add(tmp_path / "models", "Smal On", nothing)


def test_without_a_network_a_name_fails_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("knowledge.models._CATALOGUE", "http://127.0.0.1:9/models")
    with pytest.raises(
        NotesError, match="cannot be fetched .*refused.*: check the network, or give a GGUF file"
    ) as told:
        add(tmp_path / "models", "small", nothing)
    assert "\n" not in str(told.value)
