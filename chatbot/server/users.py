"""The people who may log in, kept in `users.sqlite` of the home folder, which its owner alone can read."""

import hashlib
import hmac
import os
import re
import secrets
import sqlite3
import threading
import unicodedata
from pathlib import Path

from knowledge.errors import NotesError

MIN_PASSWORD = 10
_NAME = re.compile(r"\w[\w.@-]{0,39}")
# OWASP's advice for scrypt, in the form that takes 16 MiB: https://cheatsheetseries.owasp.org/
_COST, _BLOCK, _PARALLEL = 2**14, 8, 5
_TABLE = "CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, password TEXT NOT NULL, key TEXT UNIQUE)"


class Users:
    """Names, passwords and keys. May be shared between threads; what another process changes holds at once."""

    def __init__(self, home: Path) -> None:
        self._lock = threading.Lock()
        self._path = home / "users.sqlite"
        try:
            home.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))
            self._path.chmod(0o600)
            self._db = sqlite3.connect(self._path, timeout=30, check_same_thread=False, isolation_level=None)
            self._db.execute(_TABLE)
        except (sqlite3.Error, OSError) as error:
            raise NotesError(f"{self._path}: the users cannot be read ({error}): move the file away") from error

    def close(self) -> None:
        self._db.close()

    def names(self) -> list[str]:
        return [name for (name,) in self._run("SELECT name FROM users ORDER BY name")]

    def add(self, name: str, password: str) -> str:
        """Returns the name as it is kept. Raises NotesError where it cannot be one, or there is one, or the password is
        too short."""
        name = normal_name(name)
        if not _NAME.fullmatch(name):
            raise NotesError(f"{name!r} cannot be a name: up to 40 letters, digits and any of . _ @ - within")
        record = _record(password)
        if not self._run("INSERT OR IGNORE INTO users (name, password) VALUES (?, ?) RETURNING name", name, record):
            raise NotesError(f"there is a user {name} already: `askmynotes users password {name}` sets a new password")
        return name

    def set_password(self, name: str, password: str) -> None:
        """Sessions that began with the old one end. Raises NotesError where there is no such user, or the password is
        too short."""
        self._change(name, "UPDATE users SET password = ? WHERE name = ? RETURNING name", _record(password))

    def new_key(self, name: str) -> str:
        """A key for the user's programs, in the place of the one before; only a hash of it is kept. Raises NotesError
        where there is no such user."""
        key = secrets.token_urlsafe(32)
        self._change(name, "UPDATE users SET key = ? WHERE name = ? RETURNING name", _key_hash(key))
        return key

    def remove(self, name: str) -> str:
        """Returns the name as it was kept. Raises NotesError where there is no such user."""
        return self._change(name, "DELETE FROM users WHERE name = ? RETURNING name")

    def check(self, name: str, password: str) -> str | None:
        """The name as it is kept, where the password is theirs. For a name that nobody has it takes as long."""
        name = normal_name(name)
        record = self.password_record(name)
        is_right = _matches(password, record or _UNKNOWN)
        return name if record and is_right else None

    def password_record(self, name: str) -> str | None:
        """What is kept of a user's password; it changes with every new one."""
        rows = self._run("SELECT password FROM users WHERE name = ?", name)
        return rows[0][0] if rows else None

    def holder(self, key: str) -> str | None:
        """Whose key this is. Keys are random throughout: a fast hash keeps them, and nothing can be learned from how
        long the search for one takes."""
        rows = self._run("SELECT name FROM users WHERE key = ?", _key_hash(key))
        return rows[0][0] if rows else None

    def _change(self, name: str, statement: str, *values: str) -> str:
        rows = self._run(statement, *values, normal_name(name))
        if not rows:
            raise NotesError(f"there is no user {name}: `askmynotes users list` names them")
        return rows[0][0]

    def _run(self, statement: str, *values: str) -> list[tuple]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()


def normal_name(name: str) -> str:
    """Names that look the same are the same; phones like to begin them with a capital."""
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _record(password: str) -> str:
    if len(password) < MIN_PASSWORD:
        raise NotesError(f"the password is too short: it needs {MIN_PASSWORD} characters or more")
    salt = secrets.token_bytes(16)
    return f"scrypt:{_COST}:{_BLOCK}:{_PARALLEL}:{salt.hex()}:{_scrypt(password, salt, _COST, _BLOCK, _PARALLEL).hex()}"


#: No password has this record: its hash is all zeros.
_UNKNOWN = f"scrypt:{_COST}:{_BLOCK}:{_PARALLEL}:{bytes(16).hex()}:{bytes(32).hex()}"


def _matches(password: str, record: str) -> bool:
    _, cost, block, parallel, salt, kept = record.split(":")
    found = _scrypt(password, bytes.fromhex(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(found, bytes.fromhex(kept))


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=cost, r=block, p=parallel, maxmem=2 * 128 * cost * block, dklen=32)


def _key_hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
