import pytest

from chatbot.page.settings import _filled, keep
from chatbot.page.texts import FIELDS
from knowledge.settings import load_settings
from tests.conftest import HOUSE


def given(settings, **changes):
    """What the fields hold after a person has changed some."""
    return {key: _filled(key, settings)["value"] for key in FIELDS} | changes


def kept(service, **changes):
    said, *fields = keep(service, given(service.settings, **changes))
    return said, dict(zip(FIELDS, fields, strict=True))


def test_only_what_has_changed_is_kept_and_it_holds_at_once(service, add):
    add(HOUSE)
    service.settings.config.write_text("# mine\nfetch_links = false  # never\n")
    said, _ = kept(service, engine="extract", max_file_mb=5, allow_private_hosts="wiki.home, nas.home,")
    assert "no restart is needed" in said
    written = service.settings.config.read_text()
    assert written.startswith("# mine\nfetch_links = false  # never\n")
    assert "answer_seconds" not in written
    assert load_settings(service.settings.home) == service.settings
    assert service.settings.allow_private_hosts == ("wiki.home", "nas.home")
    assert service.assistant.answer("When is the boiler serviced?").engine == "extract"
    assert "Nothing has changed" in kept(service)[0]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("answer_seconds", 0, "1 or more"),
        ("max_file_mb", None, "whole number"),
        ("openai_url", "localhost", "openai_url"),
        ("openai_key", "two words", "openai_key"),
        ("model", "missing.gguf", "is not there"),
        ("reranker", "missing", "reranker"),
    ],
)
def test_a_value_that_cannot_be_is_refused_beside_its_field_and_nothing_is_kept(service, key, value, reason):
    before = service.settings
    said, fields = kept(service, **{"fetch_links": True, key: value})
    assert "Nothing was saved" in said
    assert reason in fields[key]["info"] and fields[key]["elem_classes"] == ["refused"]
    assert "\n" not in fields[key]["info"]
    assert all("info" not in fields[other] for other in FIELDS if other != key)
    assert service.settings == before
    assert not before.config.exists()


def test_the_key_is_kept_and_never_sent(service):
    said, fields = kept(service, openai_key="sk-secret")
    assert service.settings.openai_key == "sk-secret"
    assert "sk-secret" not in said + repr(fields)
    said, _ = kept(service, engine="extract")
    assert load_settings(service.settings.home).openai_key == "sk-secret", "an empty field keeps it"


def test_an_emptied_field_goes_back_to_the_default(service):
    kept(service, openai_url="http://localhost:8000/v1")
    assert "8000" in service.settings.config.read_text()
    kept(service, openai_url="")
    assert "11434" in service.settings.openai_url
    assert "openai_url" not in service.settings.config.read_text()


def test_settings_can_be_kept_where_the_model_is_missing(service, tmp_path):
    (service.settings.home / "models").unlink()
    said, _ = kept(service, answer_seconds=30)
    assert "Saved" in said
