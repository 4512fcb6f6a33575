"""Dropped files: whatever they call themselves, they end inside the folder, or are refused with the reason."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from chatbot.server.dropped import router, safe_path
from knowledge.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", max_file_mb=1)


@pytest.fixture
def service(settings):
    return SimpleNamespace(settings=settings)


@pytest.fixture
def client(service):
    server = FastAPI()
    server.include_router(router(service))
    return TestClient(server)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("notes/garden.md", "notes/garden.md"),
        ("گل‌ها.md", "گل‌ها.md"),
        ("../../x.md", "x.md"),
        ("/etc/passwd.md", "etc/passwd.md"),
        ("C:\\Users\\me\\x.md", "C_/Users/me/x.md"),
        ("..\\..\\x.md", "x.md"),
        ("a\0b.md", "a_b.md"),
        ("CON.md", "_CON.md"),
        ("lpt1", "_lpt1"),
        (".ssh/config.md", "_.ssh/config.md"),
        ("x.md. . ", "x.md"),
        ('"><img src=x>.md', "___img src=x_.md"),
    ],
)
def test_a_name_leads_nowhere_else(name, kept):
    assert safe_path(name).as_posix() == kept


@pytest.mark.parametrize("name", ["", ".", "..", "../..", "//", " . "])
def test_what_is_no_name_is_refused(name):
    assert safe_path(name) is None


@pytest.mark.parametrize("stem", ["x" * 300, "ö" * 300, "🌹" * 300])
def test_a_long_name_is_shortened_before_its_suffix(stem):
    kept = safe_path(f"{stem}.md").name
    assert kept.endswith(".md")
    assert len(kept.encode()) <= 150


def test_a_file_is_kept_and_a_later_one_takes_its_place(client, settings):
    for text in ("first", "second"):
        kept = client.put("/api/dropped/sub/../..%2F..%2Fa/n.md", content=text)
        assert kept.status_code == 201, kept.text
    files = [path for path in settings.dropped.rglob("*") if path.is_file()]
    assert [path.read_text() for path in files] == ["second"]


def test_what_is_too_large_or_not_read_leaves_nothing(client, settings):
    assert client.put("/api/dropped/big.md", content=b"x" * (2**20 + 1)).status_code == 413
    for name in ("virus.exe", "notes", ".%2F.."):
        assert client.put(f"/api/dropped/{name}", content=b"x").status_code == 422
    assert [path for path in settings.home.rglob("*") if path.is_file()] == []


def test_a_larger_limit_holds_for_the_next_file(client, service):
    service.settings = replace(service.settings, max_file_mb=2)
    assert client.put("/api/dropped/big.md", content=b"x" * (2**20 + 1)).status_code == 201


def test_a_link_in_the_folder_leads_nobody_out(client, settings, tmp_path):
    settings.dropped.mkdir(parents=True)
    (tmp_path / "private").mkdir()
    (settings.dropped / "out").symlink_to(tmp_path / "private")
    assert client.put("/api/dropped/out/n.md", content=b"x").status_code == 409
    assert list((tmp_path / "private").iterdir()) == []


def test_a_file_where_a_folder_would_have_to_be_is_told(client):
    assert client.put("/api/dropped/A.MD", content=b"x").status_code == 201
    assert client.put("/api/dropped/a.md", content=b"x").status_code == 201
    told = client.put("/api/dropped/a.md/b.md", content=b"x")
    assert told.status_code == 409
    assert "cannot be kept" in told.json()["detail"]
