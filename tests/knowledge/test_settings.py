import pytest

from knowledge.errors import NotesError
from knowledge.settings import load_settings


def test_home_comes_from_the_argument_then_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ASKMYNOTES_HOME", str(tmp_path / "environment"))
    assert load_settings(tmp_path / "argument").home == tmp_path / "argument"
    assert load_settings().home == tmp_path / "environment"


def test_config_file_is_read(tmp_path):
    (tmp_path / "config.toml").write_text('engine = "extract"\nmax_file_mb = 5\n')
    settings = load_settings(tmp_path)
    assert (settings.engine, settings.max_file_mb) == ("extract", 5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("engin = 1", "engin"),
        ("max_file_mb = 'a'", "max_file_mb"),
        ("not toml", "TOML"),
        ("max_file_mb = true", "true"),
    ],
)
def test_a_bad_config_is_named_in_one_line(tmp_path, text, named):
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(NotesError) as error:
        load_settings(tmp_path)
    assert str(tmp_path / "config.toml") in str(error.value)
    assert named.lower() in str(error.value).lower()
    assert "\n" not in str(error.value)


def test_a_home_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotesError, match="not a folder"):
        load_settings(tmp_path / "file")


def test_the_key_of_an_engine_is_never_shown(tmp_path):
    (tmp_path / "config.toml").write_text('openai_key = "sk-secret"\n')
    assert "sk-secret" not in repr(load_settings(tmp_path))
    (tmp_path / "config.toml").write_text("openai_key = 424242\n")
    with pytest.raises(NotesError, match="openai_key must be a str") as error:
        load_settings(tmp_path)
    assert "424242" not in str(error.value)


def test_notes_go_to_no_public_engine_unless_that_is_allowed(tmp_path):
    assert load_settings(tmp_path).allow_public_engine is False
