"""Plain text: no headings, paragraphs between blank lines."""

from ingest.reading import Reading, Section, bare_links, paragraph_starts


def read_plain(text: str) -> Reading:
    return Reading(text, sections=[Section((), 0, 0, len(text))], blocks=paragraph_starts(text), links=bare_links(text))
