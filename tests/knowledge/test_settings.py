import pytest

from knowledge.errors import NotesError
from knowledge.settings import Refused, changed, checked, load_settings, save


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
        ("max_file_mb = 0", "1 or more"),
        ("engine = 'gpt5'", "gpt4all, openai, lora, extract"),
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


def test_a_change_keeps_comments_and_order_and_can_be_taken_back(tmp_path):
    config = tmp_path / "config.toml"
    text = "# mine\nfetch_links = true  # always\n\nanswer_seconds = 60\n"
    config.write_text(text)
    save(tmp_path, {"engine": "extract", "answer_seconds": 30, "allow_private_hosts": ("wiki.home",)})
    assert config.read_text().startswith("# mine\nfetch_links = true  # always\n\nanswer_seconds = 30\n")
    settings = load_settings(tmp_path)
    assert (settings.engine, settings.answer_seconds, settings.allow_private_hosts) == ("extract", 30, ("wiki.home",))
    save(tmp_path, {"engine": None, "answer_seconds": 60, "allow_private_hosts": None})
    assert config.read_text() == text


def test_nobody_else_can_read_a_config_that_may_hold_a_key(tmp_path):
    save(tmp_path, {"openai_key": "sk-secret"})
    assert (tmp_path / "config.toml").stat().st_mode & 0o077 == 0


def test_a_config_that_was_broken_meanwhile_is_left_as_it_is(tmp_path):
    (tmp_path / "config.toml").write_text("not toml")
    with pytest.raises(NotesError, match="mend the file"):
        save(tmp_path, {"engine": "extract"})
    assert (tmp_path / "config.toml").read_text() == "not toml"


@pytest.mark.parametrize(("key", "value"), [("engine", "x"), ("answer_seconds", 0), ("fetch_links", "yes"), ("x", 1)])
def test_what_a_setting_cannot_be_is_refused_by_its_name(tmp_path, key, value):
    with pytest.raises(Refused, match=key) as error:
        changed(load_settings(tmp_path), {key: value})
    assert error.value.key == key
    assert checked("answer_seconds", 1) == 1
