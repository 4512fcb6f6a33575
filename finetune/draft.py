"""Draft questions on a person's own notes, for them to read and mend.

No language model: rules turn headings, definitions, values, names, lists and links into questions, and the same notes
always give the same ones. A fifth cannot be answered from the notes. A question never holds its own answer.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path

from knowledge.documents import Link
from knowledge.errors import NotesError
from knowledge.evidence import Unit, plain, stems, units
from knowledge.scores import fact_pattern
from knowledge.store import Store
from knowledge.text import MARKDOWN_LINK, STOP_WORDS, content_words, words

#: One drafted question in so many cannot be answered from the notes.
_UNANSWERABLE = 5
#: Kinds that ask for no more than a whole section: only where a section gives nothing better.
_LAST = ("topic", "listing")

_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_NUMBER = r"\d+(?:[.,]\d+)*"
#: A value in a sentence, and what is asked in its place. The group `value` is the answer.
_VALUES = tuple(
    (re.compile(pattern), asked)
    for pattern, asked in (
        (rf"\bon (?P<value>(?:\d{{1,2}} (?:{_MONTH})(?: \d{{4}})?|\d{{4}}-\d\d-\d\d))\b", "on which date"),
        (rf"\b(?:in|every) (?P<value>(?:{_MONTH})(?: \d{{4}})?)\b", "in which month"),
        (r"\b(?P<in>in|since|until|by) (?P<value>(?:1[89]|20)\d\d)\b(?!\s?%)", r"\g<in> which year"),
        (r"\bat (?P<value>\d\d?:\d\d)\b", "at what time"),
        (rf"(?P<value>{_NUMBER}) ?(?:%|per ?cent\b)", "what percentage"),
        (rf"(?P<value>[$€£] ?{_NUMBER})\b", "how much"),
        (r"\b(?P<what>version|port|chapter|page) (?P<value>\d[\w.]*\w|\d)\b", r"which \g<what>"),
        (rf"\b(?P<value>{_NUMBER}) ?(?P<unit>kg|ml|km|cm|mm|GB|MB|TB|ms|min|bar|°C|Hz|kHz|MHz|GHz)\b",
         r"how many \g<unit>"),
        (rf"(?<![\w.,–-])(?P<value>{_NUMBER}) (?=(?:[a-z-]+ )?[a-z]{{3,}}s\b)", "how many "),
    )
)  # fmt: skip

_COUNTED = re.compile(r"(?P<count>two|three|four|five|six|seven|eight|nine|ten|\d{1,2})\s+(?P<rest>[a-z].*)", re.I)
_DEFINITION = re.compile(
    r"(?P<article>an? )?(?P<term>[^\s,;:()][^,;:()]{0,50}?)(?: \([^()]{1,60}\))? "
    r"(?P<be>is|are) (?P<rest>(?:an?|the) .+)",
    re.I,
)
_LABELLED = re.compile(r"(?P<term>[^:;,.–—]{2,50}?)(?::| [–—-]) +(?P<rest>\S.{8,})")
#: "a package that repairs …": the class of a thing and what tells it apart
_CLASS = re.compile(r"(?:an?|the) (?P<noun>[\w-]+(?: [\w-]+){0,4}?) (?:that|which) (?P<what>[a-z]+s?\b .{8,})")
_PHRASE_END = re.compile(
    r"[,;:.(—–]| (?:that|which|who|where|when|while|because|used|so|and|or|but|with|for|by|from)\b"
)
_VERBS = frozenset(
    """adds allows applies automates automatically builds checks combines compares computes contains controls converts
    covers creates decides defines depends detects draws estimates explains extracts finds generates gives handles
    helps holds implements improves includes joins keeps labels learns lets limits makes maps measures needs offers
    optimizes plots predicts produces provides reads records reduces removes replaces reports returns runs saves scales
    sends shows solves speeds splits stores supports takes tells tests tracks trains transforms translates treats turns
    uses validates watches works wraps writes""".split()
)
_FINITE = _VERBS | frozenset("is are was were has have had do does did can may must should will make use need".split())
_PREPOSITIONS = frozenset("for of to in on with that which from about at by between under over as when where".split())
#: Openings of a sentence that lean on what was said before.
_LEANING = frozenset(
    """this that these those it they he she we you i there here then however also instead another both such its their
    either neither other others afterwards afterward later finally first second third next and but or so thus hence
    otherwise because since""".split()
)
#: Openings that no name of a thing has.
_NO_TERM = _LEANING | frozenset(
    """all after although as at before each every for if in many most not on once some the use when while with
    without""".split()
)
#: What a number behind one of these names one of several, and is no count.
_NUMBERED = frozenset("chapter class figure layer level part phase question section stage step table type".split())
_GENERIC = frozenset(
    """after appendix before bonus book blog cons code contents conclusion demo details doc docs documentation e.g
    example examples faq general github here home i.e idea ideas index info introduction link links misc more note notes
    other others overview page paper papers post pros question questions readme reference references repo resources
    result see source sources step steps summary tip tips todo tools url usage video videos warning website""".split()
)
#: Latin, Arabic and full-width.
_QUESTION_MARK = "[?\N{ARABIC QUESTION MARK}\N{FULLWIDTH QUESTION MARK}]"
_QUESTION_OPENINGS = re.compile(
    r"(?:is|are|do|does|did|can|could|should|would|will|has|have|which|what|why|when|where|who|whose)\b", re.I
)

#: Asked where two things of the notes stand nowhere together.
_NEAR = (
    "How do I use {} together with {}?",
    "Where did I compare {} with {}?",
    "What do I gain by combining {} with {}?",
    "What do my notes on {} say about {}?",
)
#: Asked where not one of their words stands in the notes.
_FAR = (
    "What is the capital of Mongolia?", "How long does an ostrich egg need to boil?",
    "Who painted the ceiling of the Sistine Chapel?", "Which river flows through Baghdad?",
    "How do I remove red wine from a carpet?", "When did the Titanic sink?",
    "Which vitamin do oranges contain?", "How tall is Kilimanjaro?", "Who composed the Brandenburg concertos?",
    "How often must a cactus be watered?", "Which planet has the Galilean moons?",
    "How do I tie a bowline knot?", "What do hedgehogs eat in winter?", "Who won the 1998 football world cup?",
    "Which cheese belongs in a fondue?", "How do I get a visa for Vietnam?", "Why are flamingos pink?",
    "How long does a sourdough loaf bake?", "Which muscles does swimming strengthen?",
    "When is the next solar eclipse over Iceland?", "How do I descale a kettle?", "Who wrote Don Quixote?",
    "What is the currency of Hungary?", "How do I sharpen kitchen knives?", "Which trees lose their needles in autumn?",
    "How many strings does a harp have?", "What is the best remedy for hiccups?", "Who was the first emperor of Rome?",
    "How do I prune roses?", "Which dinosaur had three horns?", "How much salt belongs into pasta water?",
    "What time zone is Nepal in?",
)  # fmt: skip

#: What is named in no more sections than this needs no more explanation.
_RARE = 3

Drafted = dict[str, object]


@dataclass(frozen=True)
class Section:
    """A section of a note, with its units in order."""

    heading: str
    page: str
    units: tuple[Unit, ...]
    links: tuple[Link, ...]
    #: the heading above, or the title of the note
    above: str
    #: whether no other section has the same heading
    alone: bool
    #: whether there are sections below this one, which it only opens
    opens: bool

    @cached_property
    def topic(self) -> str:
        """What the section is about: its heading up to a colon; nothing where the heading says nothing by itself."""
        return "" if self.opens else _topic(self.heading)

    @cached_property
    def called(self) -> str:
        """What a question calls the section: its topic, with the heading above where that alone says too little."""
        above = _topic(self.above)
        is_clear = self.alone and len(content_words(self.heading)) > 1
        if is_clear or not above or above.lower() == self.heading.lower():
            return self.topic if self.alone else ""
        return f"{self.topic} ({above})" if self.topic else ""

    @cached_property
    def stems(self) -> frozenset[str]:
        return stems(self.heading).union(*(stems(unit.text) for unit in self.units))

    @cached_property
    def sentences(self) -> list[str]:
        return [_bare(unit) for unit in self.units if unit.kind == "sentence"]

    @cached_property
    def items(self) -> list[str]:
        """The items of lists; not the steps of numbered ones, which name nothing."""
        return [_bare(unit) for unit in self.units if unit.kind == "item" and not unit.text.lstrip()[0].isdigit()]


def _topic(heading: str) -> str:
    topic = re.split(rf"[:.]\s|{_QUESTION_MARK}", heading)[0].strip(" .:*`!")
    meaning = set(words(topic)) - _GENERIC - STOP_WORDS
    return topic if any(map(str.isalpha, "".join(meaning))) else ""


def _bare(unit: Unit) -> str:
    """A unit as people would say it: no marks, and of links only their words."""
    return MARKDOWN_LINK.sub(r"\1", plain(unit.text)).replace("`", "").strip()


def draft(store: Store, number: int, kinds: Collection[str] = ("note",)) -> list[Drafted]:
    """Up to `number` questions, in the form that `evaluate` reads, spread evenly over what is indexed of these kinds;
    first those that it answers. Raises NotesError where it gives none."""
    sections = _sections(store, kinds)
    drafter = _Drafter(sections)
    unanswerable = round(number / _UNANSWERABLE)
    seen: set[str] = set()
    candidates = [[each for each in drafter.of(section) if _is_new(each, seen)] for section in sections]
    drafted = _spread(candidates, number - unanswerable)
    if not drafted:
        raise NotesError("there are no notes to draw questions from: run `askmynotes ingest PATH` first")
    far = _far(store)
    near = list(islice(drafter.near(), max(unanswerable // 2, unanswerable - len(far))))
    return [*drafted, *near, *far[: unanswerable - len(near)]]


def write(path: Path, drafted: Iterable[Drafted]) -> None:
    """Write questions to a new file. Raises NotesError where it is there already or cannot be written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in drafted)
    except FileExistsError as error:
        raise NotesError(f"{path} is there already and stays as it is: remove it, or name another file") from error
    except OSError as error:
        raise NotesError(f"{path}: cannot be written ({error.strerror})") from error


def _sections(store: Store, kinds: Collection[str]) -> list[Section]:
    """The sections of all documents of these kinds, in order."""
    sources = [listed.document.source for listed in store.documents() if listed.document.kind in kinds]
    names = Counter(Path(source).name for source in sources)
    found = []
    for source in sources:
        page = Path(source).name if names[Path(source).name] == 1 and "://" not in source else source
        for path, group in groupby(store.get(source), key=lambda chunk: chunk.heading_path):
            found.append((path, page, list(group)))
    headings = Counter(path[-1].lower() for path, *_ in found)
    parents = {(path[:-1], page) for path, page, _ in found}
    return [
        Section(
            heading=path[-1],
            page=page,
            units=tuple(unit for chunk in chunks for unit in units(chunk)),
            links=tuple(dict.fromkeys(link for chunk in chunks for link in chunk.links if "://" in link.url)),
            above=path[-2] if len(path) > 1 else chunks[0].title,
            alone=headings[path[-1].lower()] == 1,
            opens=(path, page) in parents,
        )
        for path, page, chunks in found
    ]


def _is_new(drafted: Drafted, seen: set[str]) -> bool:
    """Whether a question is asked for the first time and does not give its answer away."""
    question = str(drafted["q"])
    facts = drafted.get("must", [])
    assert isinstance(facts, list)
    gives_away = any(fact_pattern(fact).search(question) for fact in facts)
    is_new = question.lower() not in seen and not gives_away
    seen.add(question.lower())
    return is_new


def _spread(candidates: Sequence[list[Drafted]], number: int) -> list[Drafted]:
    """`number` questions taken evenly from the sections, of all kinds alike, in the order of the notes."""
    left = [(index, list(each)) for index, each in enumerate(candidates) if each]
    used: Counter[object] = Counter()
    chosen: list[tuple[int, Drafted]] = []
    while left and len(chosen) < number:
        wanted = min(number - len(chosen), len(left))
        for index, each in [left[place * len(left) // wanted] for place in range(wanted)]:
            best = min(each, key=lambda drafted: (drafted["kind"] in _LAST, used[drafted["kind"]]))
            each.remove(best)
            used[best["kind"]] += 1
            chosen.append((index, best))
        left = [(index, each) for index, each in left if each]
    return [drafted for _, drafted in sorted(chosen, key=lambda pair: pair[0])]


def _far(store: Store) -> list[Drafted]:
    return [
        {"q": question, "kind": "far", "answerable": False}
        for question in _FAR
        if not any(map(store.knows, content_words(question)))
    ]


class _Drafter:
    """The rules, with the words of all notes to tell names from ordinary words."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self._sections = sections
        prose = [text for section in sections for text in (*section.sentences, *section.items)]
        #: words that stand somewhere in small letters, and ones that are capitalised inside a sentence
        self._ordinary = {word for text in prose for word in re.findall(r"(?<=\s)[a-z][\w-]*", text)} | STOP_WORDS
        all_texts = (*prose, *(section.heading for section in sections))
        self._capitalised = {word for text in all_texts for word in re.findall(r"(?<=[a-z,] )[A-Z][\w-]*", text)}

    def of(self, section: Section) -> Iterator[Drafted]:
        """Every question on a section, the best of each kind first."""
        for kind, questions in (
            ("name", self._names(section)),
            ("definition", self._definitions(section)),
            ("value", self._values(section)),
            ("list", self._lists(section)),
            ("heading", _headings(section)),
            ("link", self._links(section)),
            ("listing", _listings(section)),
            ("topic", self._topics(section)),
        ):
            for question, wanted in questions:
                yield {"q": question, "kind": kind, "section": section.heading, "page": section.page, **wanted}

    def near(self) -> Iterator[Drafted]:
        """Questions on two things of the notes that stand in no section together."""
        things = list(dict.fromkeys(filter(None, map(self._thing, self._sections))))
        for apart in range(len(things) // 2, 0, -1):
            for number, (left, right) in enumerate(zip(things, things[apart:], strict=False)):
                both = stems(left) | stems(right)
                if not any(both <= section.stems for section in self._sections):
                    question = _NEAR[number % len(_NEAR)].format(self._inside(left), self._inside(right))
                    yield {"q": question, "kind": "near", "answerable": False}

    def _thing(self, section: Section) -> str:
        """What a section is about where that is a thing: a name or a short noun phrase."""
        topic = re.sub(r"\s*\(.*?\)", "", section.topic)
        found = words(topic)
        if not section.alone or not 1 <= len(found) <= 3 or found[0].endswith("ing"):
            return ""
        if (_FINITE | _PREPOSITIONS | {"and", "how", "why", "what"}) & set(found):
            return ""
        is_rare = len(found) > 1 and sum(stems(topic) <= other.stems for other in self._sections) <= _RARE
        return topic if is_rare or self._is_name(topic) else ""

    # -- names and ordinary words -----------------------------------------------------------------------------------

    def _is_name(self, text: str) -> bool:
        """Whether a text begins with a name: a word with inner capitals or digits, or one that is nowhere small."""
        first = text.split()[0]
        odd = any(char.isupper() or char.isdigit() for char in first[1:])
        return odd or (first in self._capitalised and first.lower() not in self._ordinary)

    def _inside(self, text: str) -> str:
        """A text as it stands inside a sentence: the first letter small, unless a name or a title begins with it."""
        is_title = all(word[0].isupper() for word in re.findall(r"[^\W\d_]+", text) if word not in STOP_WORDS)
        keeps = is_title or self._is_name(text) or re.match(r"I\b", text)
        return text if keeps else text[0].lower() + text[1:]

    # -- the kinds of question --------------------------------------------------------------------------------------

    def _topics(self, section: Section) -> Iterator[tuple[str, Drafted]]:
        is_question = re.search(_QUESTION_MARK, section.heading)  # which `_headings` asks as it stands
        if section.called and not is_question and not set(words(section.called)) & _FINITE - {"do", "use"}:
            yield f"What do my notes say about {self._inside(section.called)}?", {}

    def _definitions(self, section: Section) -> Iterator[tuple[str, Drafted]]:
        for text in section.sentences:
            found = _DEFINITION.fullmatch(text)
            if found and self._is_term(found["term"], section):
                term = (found["article"] or "").lower() + self._inside(found["term"])
                phrase = _first_phrase(re.sub(r"^(?:an?|the) ", "", found["rest"]))
                if phrase:
                    yield f"What {found['be']} {term}?", {"must": [phrase]}
        for text in section.items:
            found = _LABELLED.fullmatch(text)
            if not found or not self._is_term(found["term"], section) or not (phrase := _first_phrase(found["rest"])):
                continue
            if self._is_name(found["term"]):
                yield f"What {_be(found['term'])} {found['term']}?", {"must": [phrase]}
            elif section.called:
                where, term = self._inside(section.called), self._inside(found["term"])
                yield f"What do my notes on {where} say about {term}?", {"must": [phrase]}

    def _is_term(self, term: str, section: Section) -> bool:
        found = words(term)
        if not found or len(found) > 4 or found[0] in _NO_TERM or set(found) & STOP_WORDS or set(found) <= _GENERIC:
            return False
        is_common = sum(stems(term) <= other.stems for other in self._sections) > _RARE
        return not set(found) & _FINITE and (not is_common or term.lower() == section.topic.lower())

    def _names(self, section: Section) -> Iterator[tuple[str, Drafted]]:
        """The thing that something is said about is what is asked for."""
        for text in filter(_is_plain, section.sentences):
            found = _DEFINITION.fullmatch(text.rstrip("."))
            if found and not found["article"] and (kind := _CLASS.fullmatch(found["rest"])):
                if self._is_name(found["term"]) or found["term"].lower() == section.topic.lower():
                    yield f"Which {kind['noun']} {kind['what']}?", {"must": [found["term"]]}
                continue
            subject, verb, rest = _subject(text)
            if subject and self._is_name(subject):
                yield f"What {verb} {rest}?", {"must": [subject]}

    def _values(self, section: Section) -> Iterator[tuple[str, Drafted]]:
        for text in filter(_is_plain, (*section.sentences, *section.items)):
            for pattern, asked in _VALUES:
                found = pattern.search(text)
                if found and not _is_numbered(text, found):
                    question = text[: found.start()] + found.expand(asked) + text[found.end() :]
                    if not section.called or stems(section.called) & stems(text):
                        question = question[0].upper() + question[1:]
                    else:
                        question = f"{section.called}: {self._inside(question)}"
                    yield f"{question.rstrip('. ')}?", {"must": [found["value"]]}
                    break

    def _lists(self, section: Section) -> Iterator[tuple[str, Drafted]]:
        """What a list is introduced as."""
        for introduction, labels in _listed(section):
            text = introduction.strip(" :.")
            found = words(text)
            if counted := _COUNTED.fullmatch(text):
                yield f"What are the {counted['count'].lower()} {counted['rest']}?", {"must": labels}
            elif 2 <= len(found) <= 9 and not set(found) & _FINITE and not {found[0]} & (_NO_TERM - {"the"}):
                text = re.sub(r"^the ", "", text, flags=re.I)
                if _be(text) == "are" and "," not in text:
                    yield f"What are the {self._inside(text)}?", {"must": labels}

    def _links(self, section: Section) -> Iterator[tuple[str, Drafted]]:
        for link in section.links:
            text = " ".join(link.text.split()).strip(" .:*`")
            meaning = set(words(text)) - _GENERIC - STOP_WORDS
            about = re.sub(r"^on ", "", text, flags=re.I)
            if len(meaning) < 2 or re.search(r"://|\w\.\w+/|\.\w+$", text):
                about = section.called
            if about:
                how = "" if re.match(r"(?:how|why|which|what|when|where)\b", about, re.I) else "about "
                yield f"Where did I read {how}{self._inside(about)}?", {"url": link.url}


def _headings(section: Section) -> Iterator[tuple[str, Drafted]]:
    """Headings that are questions, or say how something is done."""
    heading, *asks = re.split(f"({_QUESTION_MARK})", section.heading.strip(" :*."), maxsplit=1)
    question = heading if asks else section.topic
    if re.match(r"how to \w", question, re.I):
        yield f"How do I {question[7:]}?", {}
    elif asks:
        yield question + asks[0], {}
    elif _QUESTION_OPENINGS.match(question):
        yield f"{question}?", {}


def _listings(section: Section) -> Iterator[tuple[str, Drafted]]:
    for _, labels in _listed(section):
        if section.called:
            yield f"What did I list under “{section.called}”?", {"must": labels}


# -- the parts of a sentence ---------------------------------------------------------------------------------------


def _is_plain(text: str) -> bool:
    """Whether a sentence makes sense by itself and asks well: short, and without what leans on other sentences."""
    found = words(text)
    return 4 <= len(found) <= 26 and found[0] not in _LEANING and not re.search(r"[:;?|=\[\]{}<>“”\"]", text)


def _subject(text: str) -> tuple[str, str, str]:
    """Subject, verb and the rest of a sentence that says what something does; three times nothing for any other."""
    parts = text.rstrip(". ").split()
    for index in range(1, min(4, len(parts) - 2)):
        if parts[index] in _VERBS:
            return " ".join(parts[:index]), parts[index], " ".join(parts[index + 1 :])
    return "", "", ""


def _be(noun_phrase: str) -> str:
    """The form of "to be" for a noun phrase: by its last word before a preposition."""
    head = ""
    for word in words(noun_phrase):
        if word in _PREPOSITIONS and head:
            break
        head = word
    return "are" if head.endswith("s") and not head.endswith(("ss", "is", "us", "'s", "’s")) else "is"


def _first_phrase(text: str) -> str:
    """The words up to the first that only goes on; nothing where they are too few or too many for a fact."""
    end = _PHRASE_END.search(text)
    phrase = text[: end.start() if end else None].strip(' “”"')
    is_fact = len(phrase.split()) <= 8 and len(set(words(phrase)) - STOP_WORDS) >= 2 and "|" not in phrase
    return phrase if is_fact else ""


def _is_numbered(text: str, found: re.Match[str]) -> bool:
    """Whether a number is no value of its own: one of several numbers, or a label ("step 2")."""
    before, after = text[: found.start()], text[found.end() :]
    return bool(re.search(r"\d", before + after)) or bool(_NUMBERED & set(words(before)[-1:]))


def _listed(section: Section) -> Iterator[tuple[str, list[str]]]:
    """Lists of three and more items, each with its introduction or nothing, and two of the items; also in a line
    ("kinds: a, b, c, d")."""
    introduction = ""
    for kind, group in groupby(section.units, key=lambda unit: unit.kind):
        texts = list(map(_bare, group))
        labels = list(filter(None, map(_label, texts)))
        if kind == "item" and len(texts) >= 3 and len(labels) >= 2:
            yield introduction if introduction.endswith(":") else "", [labels[0], labels[-1]]
        introduction = texts[-1]
    for text in section.sentences:
        head, _, rest = text.rstrip(". ").partition(": ")
        items = re.split(r",\s+(?:and |or )?|\s+(?:and|or)\s+", rest)
        if len(items) >= 4 and all(0 < len(item.split()) <= 4 for item in items):
            yield head, [items[0], items[-1]]


def _label(item: str) -> str:
    """What an item of a list is called; nothing where it is only a sentence."""
    labelled = _LABELLED.fullmatch(item)
    label = (labelled["term"] if labelled else item).strip(" .,;:")
    return label if 0 < len(label.split()) <= 4 and "|" not in label else ""
