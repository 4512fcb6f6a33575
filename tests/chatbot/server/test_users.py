import hashlib
import stat

import pytest
from click.testing import CliRunner

from chatbot.cli import cli
from chatbot.server.users import Users
from knowledge.errors import NotesError
from knowledge.history import History

PASSWORD = "correct horse"


@pytest.fixture
def users(tmp_path):
    users = Users(tmp_path)
    yield users
    users.close()


def test_a_password_and_a_key_open_and_only_hashes_of_them_are_kept(users, tmp_path):
    users.add("ada", PASSWORD)
    key = users.new_key("ada")
    assert users.check("ada", PASSWORD) == users.holder(key) == "ada"
    assert users.check("ada", "wrong horse") is users.holder("wrong") is users.holder("") is None
    kept = (tmp_path / "users.sqlite").read_bytes()
    assert b"ada" in kept
    assert PASSWORD.encode() not in kept
    assert key.encode() not in kept
    assert stat.S_IMODE((tmp_path / "users.sqlite").stat().st_mode) == 0o600


def test_two_users_with_one_password_have_different_records(users):
    users.add("ada", PASSWORD)
    users.add("bo", PASSWORD)
    assert users.password_record("ada") != users.password_record("bo")


def test_a_name_is_the_same_however_it_is_typed(users):
    users.add(" Zoë ", PASSWORD)
    assert users.check("ZOE\u0308", PASSWORD) == "zoë"
    with pytest.raises(NotesError, match="there is a user zoë already"):
        users.add("zoë", PASSWORD)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "../a", "<b>", "a" * 41, "-a"])
def test_what_cannot_be_a_name_is_refused(users, name):
    with pytest.raises(NotesError, match="cannot be a name"):
        users.add(name, PASSWORD)


def test_a_new_password_and_a_new_key_take_the_place_of_the_old(users):
    users.add("ada", PASSWORD)
    before = users.new_key("ada")
    after = users.new_key("ada")
    assert (users.holder(before), users.holder(after)) == (None, "ada")
    users.set_password("ada", "battery staple")
    assert (users.check("ada", PASSWORD), users.check("ada", "battery staple")) == (None, "ada")
    with pytest.raises(NotesError, match="too short"):
        users.set_password("ada", "short")


def test_a_name_that_nobody_has_takes_as_much_work(users, monkeypatch):
    users.add("ada", PASSWORD)
    work = []
    scrypt = hashlib.scrypt
    monkeypatch.setattr(hashlib, "scrypt", lambda *text, **how: work.append({**how, "salt": 0}) or scrypt(*text, **how))
    users.check("ada", "wrong horse")
    users.check("nobody", "wrong horse")
    assert work[0] == work[1]
    assert work[0]["n"] * work[0]["r"] * work[0]["p"] >= 2**14 * 8 * 5, "what OWASP advises"


def test_the_commands_add_list_and_remove(tmp_path):
    def run(*arguments, typed=""):
        return CliRunner().invoke(cli, ["users", *arguments, "--home", str(tmp_path)], input=typed)

    added = run("add", "ada", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert "ada may log in" in added.output
    assert PASSWORD not in added.output
    assert "do not match" in run("add", "bo", typed=f"{PASSWORD}\nother horse\n").output
    assert run("add", "bo", "--password-stdin", typed=f"{PASSWORD}\n").exit_code == 0
    assert run("list").output == "ada\nbo\n"
    key = run("key", "ada").output.strip()
    history = History(tmp_path)
    history.put("ada", "", 0, "one?", "{}")
    assert run("remove", "ada", typed="n\n").exit_code == 1
    assert Users(tmp_path).holder(key) == "ada"
    assert run("remove", "ada", "--yes").exit_code == 0
    assert history.conversations("ada") == []
    assert run("list").output == "bo\n"
    for arguments in (("remove", "ada", "--yes"), ("key", "ada")):
        assert "there is no user ada" in run(*arguments).output
