"""The records that `search` and `ask` print as JSON, and that every interface sends."""

from typing import TYPE_CHECKING

from knowledge.documents import Hit, Reference

if TYPE_CHECKING:
    from knowledge.store import Store


def hit_record(rank: int, hit: Hit, store: "Store") -> dict[str, object]:
    """A passage that a search found."""
    chunk = hit.chunk
    return {
        "rank": rank,
        "score": round(hit.score, 6),
        "title": chunk.title,
        "heading_path": list(chunk.heading_path),
        "source": chunk.source,
        "lines": list(chunk.lines),
        "kind": chunk.kind,
        "place": str(chunk.place) if chunk.place else None,
        **({chunk.place.unit: chunk.place.first} if chunk.place else {}),
        "url": chunk.address,
        "linked_from": [reference_record(place) for place in store.referring(chunk.source)],
        "links": [{"text": link.text, "url": link.url} for link in chunk.links],
        "text": chunk.text,
    }


def reference_record(place: Reference) -> dict[str, object]:
    """A place in the notes that links somewhere."""
    return {
        "text": place.text,
        "source": place.source,
        "title": place.title,
        "heading_path": list(place.heading_path),
        "line": place.line,
    }
