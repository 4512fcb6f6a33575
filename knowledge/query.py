"""What a person asks for: the words to look for, and filters that say where.

`[[note]]` and `[[note#heading]]`, `#tag`, `in:folder`, `site:example.org`, `kind:article`, `"quoted words"`,
`after:2024`, `before:2024-06-30` and `date:2024-05`, anywhere in a question and in any case; a value of several words
stands in quotes (`in:"two words"`). How the index is searched for them is in `knowledge.filters`.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from knowledge.errors import NotesError
from knowledge.text import is_stop_word, words

KINDS = ("article", "note")
_AS_WORDS = "in quotes it is looked for as it stands"

# every repetition is bounded, so that no question takes minutes; marks behind a value end the sentence
_FILTER = re.compile(
    r"""(?<![^\s(,])(?:
        ["“”„«»](?P<phrase>[^"“”„«»\n]{1,300})["”“«»](?!\w)
      # a table of numbers and a shell's test are written in double brackets too
      | \[\[(?![\d\s.]*,)(?P<note>[^\s\[\]](?:[^\[\]\n]{0,298}[^\s\[\]])?)\]\]
      | \#(?:(?P<words>[\w/-]{1,100}(?:\ [\w/-]{1,100}){1,5})\#(?![\w#])
            |(?P<tag>[\w/-]{0,100}[^\W\d][\w/-]{0,100}))
      | (?P<key>in|site|kind|after|before|date):(?:"(?P<quoted>[^"\n]{1,300})"|(?P<value>[^\s"]{0,999}[^\s"?!.,;:)]))
    )""",
    re.IGNORECASE | re.VERBOSE,
)
# words at the beginning that ask for notes and links and say nothing else, up to what these are to be about
_REQUEST = re.compile(
    r"""\W*(?:(?:hi|hey|hello|please|ok|okay|so|and|but)\W+)?(?:
        where\ (?:can|could|did|do|should)\ (?:i|we|one)\ (?:(?P<reading>read|learn)|write|note|find|look|hear)
          (?:\ (?:up|down|out))?(?:\ (?:more|something|anything|information|info|details))?
          (?:\ (?:about|on)|(?=\W*(?:$|\()))
      | what\ (?:did|have)\ (?:i|we)\ (?:save|keep|kept|note|write|written|bookmark|collect)(?:e?d)?(?:\ down)?
          \ (?:about|on)
      | what\ do(?:es)?\ (?:my|the)\ notes?\ (?:say|have|mention|contain|tell\ me)\ (?:about|on)
      | (?:(?:an?|all|any|are|can|could|do|find|get|give|got|have|i|is|list|me|my|need|open|please|search|show|some
            |that|the|there|this|want|was|we|were|what|what's|where|where's|which|would|you|your|for|to)\ ){0,8}
        (?:notes?|(?:any|some)thing(?!\ to\b)|(?P<links>links?|articles?|pages?|posts?|bookmarks?|sites?|websites?))[ ]
        (?:(?:are|at|did|do|have|i|is|look|see|should|that|there|we|which|save|keep|kept|note|bookmark|saved|noted
            |bookmarked|read|down|wrote|write)\ ){0,5}
        (?:about|on|for|to)
    )(?:\ (?=\S)|\W*$|\W*(?=\())""",
    re.IGNORECASE | re.VERBOSE,
)
_AS_SUCH = re.compile(r" (?:links?|articles?|notes?|pages?|posts?|sites?|websites?)(?=\W{0,5}$)", re.IGNORECASE)
# and at the end
_OF_MINE = re.compile(
    r" (?:(?:in|from) my notes?|did i (?:save|note|bookmark|keep|write)(?: down)?"
    r"|(?:that |which )?i (?:have )?(?:saved|noted|bookmarked|kept|wrote)(?: down)?)(?=\W{0,5}$)",
    re.IGNORECASE,
)
_BLANKS_BEFORE_END = re.compile(r"\s+(?=[?!.,;:)])")
_PERIOD = re.compile(r"([12]\d{3})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?")
_HOST = re.compile(r"(?:(?:[a-z][a-z0-9+.-]*:)?//)?(?:[^/?#@]*@)?(?:www\.)?([^/?#:]+)")


@dataclass(frozen=True)
class Query:
    """A question taken apart: `text` is what is asked, the rest are the filters, `folded`.

    `phrases` and `tags` stay in `text`, as "#include" may be a word that is asked for: whether they filter shows only
    in the index. A document's day is to be `after` or later, and earlier than `before` (YYYY-MM-DD).
    """

    text: str
    notes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    after: str = ""
    before: str = ""

    @property
    def topic(self) -> str:
        """What is looked for: what is asked but for the words that ask for notes and links as such, as in "where can I
        read about roses?" and "my notes on roses", which no passage about roses holds."""
        start = _REQUEST.match(self.text)
        topic = _OF_MINE.sub("", self.text[start.end() if start else 0 :])
        topic = _AS_SUCH.sub("", topic) if start else topic
        return self.text if all(map(is_stop_word, words(topic))) else topic

    @property
    def asks_for_links(self) -> bool:
        """Whether it asks where to read on rather than what the notes say."""
        start = _REQUEST.match(self.text)
        return bool(start and (start["reading"] or start["links"]))


def parse(question: str) -> Query:
    """The words and the filters of a question; what only looks like a filter stays among the words.

    Where nothing but filters and function words is left, the filters' own words are looked for too. Raises NotesError
    for a filter that cannot be: an unknown kind, or no date where one belongs.
    """
    found: dict[str, list[str]] = {}

    def take(match: re.Match[str]) -> str:
        filters = [(name, value) for name, value in _read(match) if value]
        for name, value in filters:
            found.setdefault(name, []).append(value)
        stays = not filters or match["phrase"] or match["tag"] or match["words"]
        return match.group() if stays else " "

    text = _FILTER.sub(take, question)
    if text != question:
        text = _BLANKS_BEFORE_END.sub("", " ".join(text.split()))
        if all(map(is_stop_word, words(text))):
            own = [value for name in ("notes", "folders", "hosts", "kinds") for value in found.get(name, ())]
            text = " ".join((text, *own)).strip() or question
    after, before = max(found.pop("after", ()), default=""), min(found.pop("before", ()), default="")
    return Query(text, after=after, before=before, **{name: tuple(values) for name, values in found.items()})


def _read(match: re.Match[str]) -> Iterator[tuple[str, str]]:
    """The filter that was found, as fields of Query with a value each; an empty one where it says nothing."""
    if phrase := match["phrase"]:
        yield "phrases", " ".join(words(phrase))
    elif note := match["note"]:
        yield "notes", folded(note.partition("|")[0]).strip()
    elif tag := match["words"] or match["tag"]:
        yield "tags", folded(tag).strip("/")
    else:
        key, value = match["key"].lower(), match["quoted"] or match["value"]
        if key == "in":
            yield "folders", folded(value).strip("/")
        elif key == "site":
            yield "hosts", host_of(value)
        elif key == "kind":
            yield "kinds", _kind(value)
        else:
            yield from _days(key, value)


def _kind(value: str) -> str:
    if folded(value) not in KINDS:
        known = " and ".join(f"kind:{kind}" for kind in KINDS)
        raise NotesError(f"kind:{value} is no filter: there are {known} ({_AS_WORDS})")
    return folded(value)


def _days(key: str, value: str) -> Iterator[tuple[str, str]]:
    """The bounds that a date sets: its own first day, and for a whole period the first one behind it."""
    bounds = period(value)
    if not bounds:
        such = f"{key}:2024, {key}:2024-05 or {key}:2024-05-31"
        raise NotesError(f"{key}:{value} is no filter: give a date such as {such} ({_AS_WORDS})")
    first, following = bounds
    if key == "date":
        yield from (("after", first), ("before", following))
    else:
        yield key, first


def period(text: str) -> tuple[str, str] | None:
    """The first day of a year, month or day (2024, 2024-05, 2024-05-31) and the first one behind it; None for
    anything else."""
    match = _PERIOD.fullmatch(text)
    if not match:
        return None
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        first = date(year or 0, month or 1, day or 1)
    except ValueError:
        return None
    if day:
        following = first + timedelta(1)
    elif month:
        following = (first + timedelta(31)).replace(day=1)
    else:
        following = first.replace(year=first.year + 1)
    return first.isoformat(), following.isoformat()


def host_of(address: str) -> str:
    """The host of a web address, with or without its scheme, as it is looked up: lower case, without `www.`; empty
    where there is none."""
    match = _HOST.match(folded(address))
    host = match.group(1).rstrip(".") if match else ""
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


def folded(text: str) -> str:
    """A text as it is compared: capitals and ways to write an accent make no difference."""
    return unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode()).casefold()
