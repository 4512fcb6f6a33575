"""Files that are dropped on the page: kept in `dropped/` of the home folder, which is then indexed as any folder is.

Gradio's own route for uploads stays closed: it would keep everything twice, and lets a request name files that were
never uploaded.
"""

import re
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from pydantic import BaseModel

if TYPE_CHECKING:
    from chatbot.service import Service

_SEPARATORS = re.compile(r"[/\\]")
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\ud800-\udfff]')
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_LONGEST = 150  # bytes of a name; systems take 255
_DEEPEST = 10


class Kept(BaseModel):
    """Where a file is kept, inside `dropped/`."""

    name: str


class Problem(BaseModel):
    """Why a file was refused."""

    detail: str


def router(service: "Service") -> APIRouter:
    """The route that takes files, as large as the settings of the moment allow."""
    routes = APIRouter()
    refusals = {400: "No file can have this name", 409: "Something is in the way", 413: "Larger than `max_file_mb`"}
    body = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}

    @routes.put(
        "/api/dropped/{name:path}",
        tags=["notes"],
        status_code=201,
        responses={status: {"model": Problem, "description": told} for status, told in refusals.items()},
        openapi_extra={"requestBody": body},
    )
    async def keep(name: Annotated[str, InPath(max_length=4096, pattern=_names_of_notes())], request: Request) -> Kept:
        """Keep the body as a file, in place of an earlier one of this name; `POST /api/ingest` then indexes it."""
        place = safe_path(name)
        if place is None:
            raise HTTPException(400, "no file can have this name")
        settings = service.settings
        await _keep(request, settings.dropped, place, settings.max_file_mb * 2**20)
        return Kept(name=place.as_posix())

    return routes


def _names_of_notes() -> str:
    """Matches the names of files that are read; in the subset of regular expressions that JSON Schema has."""
    from ingest.read import FORMATS

    caseless = ("".join(f"[{c}{c.upper()}]" if c.isalpha() else f"\\{c}" for c in suffix) for suffix in FORMATS)
    return f"^[^\\n]*({'|'.join(caseless)})$"


def safe_path(name: str) -> Path | None:
    """Where inside a folder a file that calls itself `name` is kept: no name leads out of it, is hidden, or is one that
    some system does not take. None where nothing is left of it."""
    parts = [_safe(part) for part in _SEPARATORS.split(name) if part.strip(". ")]
    return Path(*parts[-_DEEPEST:]) if parts else None


def _safe(part: str) -> str:
    part = _FORBIDDEN.sub("_", part.strip().rstrip(". "))
    if part.startswith(".") or _DEVICES.match(part):
        part = f"_{part}"
    stem, dot, suffix = part.rpartition(".")
    end = (dot + suffix).encode()[-_LONGEST:]
    return (stem.encode()[: _LONGEST - len(end)] + end).decode(errors="ignore")


async def _keep(request: Request, folder: Path, place: Path, largest: int) -> None:
    """Write the body of a request to its place, whole or not at all. Raises HTTPException."""
    target = folder / place
    folder.mkdir(parents=True, exist_ok=True)
    # the dot: no ingest that runs meanwhile takes half a file for a note
    with NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
        partial = Path(file.name)
        try:
            size = 0
            async for piece in request.stream():
                size += len(piece)
                if size > largest:
                    raise HTTPException(413, f"is larger than {largest // 2**20} MB (max_file_mb)")
                file.write(piece)
            file.close()
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.parent.resolve().is_relative_to(folder.resolve()):
                raise HTTPException(409, "a link leads out of the folder")
            partial.replace(target)
        except OSError as error:
            raise HTTPException(409, f"cannot be kept ({error.strerror})") from error
        finally:
            file.close()
            partial.unlink(missing_ok=True)
