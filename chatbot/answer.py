"""From a question to an answer: route → retrieve → decide → generate → check.

Streaming is the primitive: `Assistant.stream` yields the answer so far, and its text only ever grows at the end. What
a model writes is shown sentence by sentence, each once the notes are found to support it; where nothing is
supported, or there is no model, the notes are quoted.
"""

import re
import threading
import time
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from textwrap import dedent

from chatbot.decide import Decider, Decision, features
from chatbot.engines import Engine, Waiting, load_engine
from chatbot.ground import supporting
from chatbot.intents import IntentBot, load_small_talk, tokens
from chatbot.rewrite import leans_on, standalone
from chatbot.why import Removed, Why
from knowledge.answer_type import asked_type
from knowledge.documents import Chunk, Hit, Place, Reference
from knowledge.errors import NotesError
from knowledge.evidence import (
    FENCE,
    Evidence,
    Excerpt,
    Scored,
    Unit,
    about_as_good,
    cells,
    choose,
    enumeration,
    excerpts,
    gather,
    lines_of,
    plain,
    stems,
    units,
    weigh,
    with_introduction,
)
from knowledge.follow_up import asks_on
from knowledge.pointers import Pointer, asked_for, pointers
from knowledge.prompt import NOT_IN_NOTES, SEE, build_prompt, read_reply
from knowledge.query import parse
from knowledge.settings import Settings
from knowledge.store import Store
from knowledge.text import beginning, breaks_off, content_words, sentence_spans, words

#: A small model repeats itself rather than say more in a longer reply.
MAX_REPLY_TOKENS = 96
#: The confidence from which a question is small talk: below it, it is more likely something else.
LIKELY = 0.5
#: The confidence from which small talk may hold more strange words than known ones.
SURE = 0.85
#: A word with a capital inside, and not all in capitals.
_NAME = re.compile(r"\b(?=\w*[a-z])\w+[A-Z]\w*")
#: A refusal names so many words that are not mentioned, and shows so many characters of each of the nearest passages.
_MOST_WORDS = 8
_LONGEST_WORD = 40
_LONGEST_LINE = 160
#: Kinds of parts: those shown as items of a list, and those shown as running text.
_LISTED = ("item", "quote", "link")
_RUNNING = ("say", "heading", "note")
_DOUBT = "The language model found no answer in these passages: they may only come near it."
#: Characters up to which the columns of a table are evened out.
_WIDEST_COLUMN = 24


@dataclass(frozen=True)
class Citation:
    """A passage that the answer rests on, and the stretches of its text that are cited (character offsets)."""

    n: int
    chunk: Chunk
    spans: tuple[tuple[int, int], ...]
    #: where the notes link to the passage's article
    linked_from: tuple[Reference, ...] = ()

    @property
    def quote(self) -> str:
        """The cited words as they stand, from the first cited stretch to the last."""
        return self.chunk.text[self.spans[0][0] : self.spans[-1][1]]

    @property
    def lines(self) -> tuple[int, int]:
        return lines_of(self.chunk, self.spans[0][0], self.spans[-1][1])

    @property
    def place(self) -> str:
        """Where in the source it stands: page, slide, row or cell, else the lines; nothing for a web page."""
        if place := self._place:
            return str(place)
        first, last = self.lines
        return "" if self.chunk.url else f"line {first}" if first == last else f"lines {first}–{last}"

    @property
    def location(self) -> str:
        """Where it stands, in the way that editors and terminals make a link of it."""
        return replace(self.chunk, place=self._place).location(self.lines)

    @property
    def _place(self) -> Place | None:
        return self.chunk.place_of(self.spans[0][0], self.spans[-1][1])

    def as_dict(self) -> dict[str, object]:
        return {
            "n": self.n,
            "title": self.chunk.title,
            "heading_path": list(self.chunk.heading_path),
            "source": self.chunk.source,
            "lines": list(self.lines),
            "place": self.place,
            "kind": self.chunk.kind,
            "url": self.chunk.address,
            "linked_from": [asdict(reference) for reference in self.linked_from],
            "quote": self.quote,
        }


@dataclass(frozen=True)
class Part:
    """A piece of the answer as it is laid out: what it says, and the number of the passage that it comes from."""

    # "say" and "item": the direct answer | "heading" of the section that follows | "quote" | "code" | "table" |
    # "link" | "note": about the answer itself
    kind: str
    text: str
    n: int | None = None
    url: str = ""
    #: whether code or a table is the direct answer
    direct: bool = False
    #: the cells of a table: its header, then the rows whose words are the text, a line each
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Answer:
    """An answer, or as much of it as there is yet; `state` is "searching" | "reading" | "waiting" | "writing" | "done".
    While it waits for the language model, `ahead` replies to others come before it."""

    question: str
    state: str = "searching"
    route: str = "notes"
    intent: str | None = None
    parts: tuple[Part, ...] = ()
    citations: tuple[Citation, ...] = ()
    #: the sections that were read, best first; on a refusal the nearest ones
    sections: tuple[Hit, ...] = ()
    grounded: bool = False
    engine: str = "extract"
    why: Why = Why()
    timings_ms: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=lambda: {"prompt": 0, "completion": 0})
    ahead: int = 0

    @property
    def text(self) -> str:
        """All that a reader sees, as Markdown."""
        return joined(self.parts, _as_markdown)

    @property
    def short_answer(self) -> str:
        """The direct answer alone, without citation numbers."""
        direct = takewhile(lambda part: part.direct or part.kind in ("say", "item", "link"), self.parts)
        return "\n".join(f"{part.text}: {part.url}" if part.url else part.text for part in direct)

    @property
    def links(self) -> list[dict[str, object]]:
        return [{"text": part.text, "url": part.url, "n": part.n} for part in self.parts if part.kind == "link"]

    def ended(self, reason: str) -> "Answer":
        """The answer as far as it came, with the reason why it goes no further."""
        return replace(self, state="done", parts=(*self.parts, Part("note", reason)))

    def as_dict(self) -> dict[str, object]:
        return {
            "question": self.question,
            "route": self.route,
            "intent": self.intent,
            "answer": self.text,
            "short_answer": self.short_answer,
            "citations": [citation.as_dict() for citation in self.citations],
            "links": self.links,
            "grounded": self.grounded,
            "engine": self.engine,
            "timings_ms": self.timings_ms,
            "tokens": self.tokens,
        }


def joined(parts: Sequence[Part], as_markdown: Callable[[Part], str]) -> str:
    """Parts as Markdown, below one another. A blank line ends a list before running text, which would be drawn as words
    of its last item."""
    text = ""
    before = ""
    for part in parts:
        ends_list = before in _LISTED and part.kind in _RUNNING
        text += ("\n\n" if ends_list else "\n") + as_markdown(part)
        before = part.kind
    return text.lstrip("\n")


def _as_markdown(part: Part) -> str:
    number = f" [{part.n}]" if part.n else ""
    if part.kind in ("item", "quote"):
        return f"- {part.text}{number}"
    if part.kind == "code":
        return f"{part.text}\n{number.strip()}"
    if part.kind == "table":
        return f"{table_markdown(part.rows)}{number.strip()}"
    if part.kind == "link":
        return f"- [{part.text}]({part.url}){number}"
    if part.kind == "heading":
        return quoted_from(part.text)
    return f"{part.text}{number}"


def quoted_from(heading: str) -> str:
    """What stands above the words of a section."""
    return f"From “{heading}”:"


def table_markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table, the first row its header, between blank lines: without them it would take up the lines around it."""
    head, *body = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    widths = [min(max(map(len, column)), _WIDEST_COLUMN) for column in zip(head, *body, strict=True)]
    rule = ["-" * max(width, 3) for width in widths]
    lines = (
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in (head, rule, *body)
    )
    return "\n{}\n\n".format("\n".join(lines))


class Assistant:
    """Answers from a store. May be shared between threads: generations wait for one another, searches do not. Whoever
    asks may be named by `asker`: the askers take turns."""

    def __init__(self, store: Store, settings: Settings, engine: str | None = None) -> None:
        self._store = store
        self._settings = settings
        self._engine_name = engine or settings.engine
        self._engine: Engine | None = None
        self._engine_lock = threading.Lock()
        self._decider = Decider()
        self._small_talk = load_small_talk()
        self._bot: IntentBot | None = None
        self._bot_lock = threading.Lock()

    def use(self, settings: Settings, engine: Engine | None = None) -> None:
        """Answer by these settings from the next question on, with their engine where it is loaded already. A reply
        under way ends with the engine that began it, which is let go then."""
        with self._engine_lock:
            self._settings, self._engine_name, self._engine = settings, settings.engine, engine

    def answer(self, question: str, asker: str = "") -> Answer:
        """The complete answer."""
        *_, last = self.stream(question, asker=asker)
        return last

    def stream(
        self, question: str, earlier: Sequence[Answer] = (), quoted: bool = False, asker: str = ""
    ) -> Generator[Answer]:
        """The answer so far, again and again, until its state is "done". Closing the generator stops the engine.

        `earlier` are the answers of the conversation so far: a question that leans on them is asked with its topic, and
        the sections that were cited there are looked at again. `quoted` leaves the language model out.
        """
        clock = _Clock()
        question = " ".join(question.split())
        answer = Answer(question, why=Why(question))
        yield answer
        before = leans_on(question, earlier, self._store)
        if intent := None if before and asks_on(question) else self._intent(question):
            reply = self._small_talk.reply(intent, len(earlier), self._facts())
            parts = (Part("say", reply),)
            yield clock.done(replace(answer, route="intent", intent=intent, engine="intents", parts=parts))
            return
        asked = standalone(question, before)
        evidence = gather(asked, self._store, keep=before)
        clock.mark("retrieve")
        decision = self._decide(asked, evidence) if question else None
        why = Why(asked, evidence.hits, decision)
        answer = replace(answer, state="reading", sections=evidence.sections, why=why)
        if refusal := self._refuse(answer, evidence):
            yield clock.done(refusal)
            return
        yield answer
        engine, problem = (None, "") if quoted else self._load_engine()
        if _quotes_answer(asked, evidence):
            engine = None
        with closing(self._write(answer, evidence, clock, engine, problem, asker)) as answers:
            for answer in answers:
                yield answer
        yield clock.done(answer)

    def again(self, answer: Answer, asker: str = "") -> Generator[Answer]:
        """Answer the question of `answer` from the same evidence in the other way: quote the notes where a language
        model wrote it, which would only say the same words again, and else let the model write. As `stream` otherwise.

        Raises NotesError where there is no other way.
        """
        if answer.route != "notes" or not answer.sections:
            raise NotesError("there is nothing to answer again: the last question was not answered from your notes")
        engine = None
        if answer.engine == "extract":
            engine, problem = self._load_engine()
            if engine is None:
                raise NotesError(f"your notes can only be quoted: {problem or 'no language model is in use'}")
        clock = _Clock()
        asked = answer.why.asked
        evidence = weigh(asked, answer.why.candidates, answer.sections, self._store)
        clock.mark("retrieve")
        why = Why(asked, evidence.hits, answer.why.decision)
        answer = Answer(answer.question, state="reading", sections=evidence.sections, why=why)
        with closing(self._write(answer, evidence, clock, engine, asker=asker)) as answers:
            for answer in answers:
                yield answer
        if answer.engine == "extract" and answer.parts[-1].kind != "note":
            failed = "The language model was asked, and these passages support nothing that it wrote."
            answer = answer.ended(failed if engine else "The same passages, quoted without the language model.")
        yield clock.done(answer)

    def warm_up(self) -> None:
        """Load what the first question would otherwise wait for. What is missing is told when it is asked for."""
        try:
            self._intent("hello")
            gather("hello", self._store)
            self._load_engine()
        except NotesError:
            pass

    # -- routing ----------------------------------------------------------------------------------------------------

    def _intent(self, question: str) -> str | None:
        """The small talk that a question is, or None. It is a question to the notes as soon as it holds a word that
        stands in them and not in the examples of the intent, or that is written like a name ("GReaT"), asks for links,
        or has many strange words and no clear intent."""
        telling = [*_NAME.findall(question), *self._strange(question, self._small_talk.responses)]
        if parse(question).asks_for_links or any(map(self._store.knows, telling)):
            return None  # whatever the bot would say: most questions need not wait for it
        intent, confidence = self._intent_bot().predict(question)
        if intent is None or confidence < LIKELY:
            return None
        strange = self._strange(question, [intent])
        mostly_strange = len(strange) * 2 >= len(content_words(question)) and confidence < SURE
        return None if mostly_strange or any(map(self._store.knows, strange)) else intent

    def _strange(self, question: str, intents: Collection[str]) -> list[str]:
        """The words of a question that stand in no example of these intents."""
        known = set().union(*map(self._small_talk.words, intents))
        return [word for word in content_words(question) if not set(tokens(word)) <= known]

    def _intent_bot(self) -> IntentBot:
        with self._bot_lock:  # many who ask at once while the server starts wait for one training
            if self._bot is None:
                headings = [(heading, None) for heading in self._store.headings(500)]
                self._bot = IntentBot(self._store.encoder).fit([*self._small_talk.examples, *headings])
            return self._bot

    def _facts(self) -> dict[str, str]:
        """What small talk may state about the index."""
        documents, chunks = self._store.counts()
        topics = ", ".join(self._store.headings(8)) or "nothing yet: run `askmynotes ingest PATH`"
        return {"count": str(chunks), "documents": str(documents), "topics": topics}

    # -- refusing ---------------------------------------------------------------------------------------------------

    def _decide(self, asked: str, evidence: Evidence) -> Decision | None:
        """Whether the notes answer what was asked; None where nothing was found."""
        return self._decider.decide(features(asked, evidence, self._store)) if evidence.hits else None

    def _refuse(self, answer: Answer, evidence: Evidence) -> Answer | None:
        """The refusal where the notes do not answer what was asked; None where they do."""
        none = replace(answer, route="none")
        if not self._store.counts()[1]:
            text = "Nothing is indexed yet. Add your notes with `askmynotes ingest PATH`."
            return replace(none, parts=(Part("say", text),))
        if answer.why.decision is None:
            return replace(none, parts=(Part("say", "Nothing in your notes matches this."),))
        return None if answer.why.decision.answerable else _refusal(answer, evidence)

    # -- writing ----------------------------------------------------------------------------------------------------

    def _write(
        self,
        answer: Answer,
        evidence: Evidence,
        clock: "_Clock",
        engine: Engine | None,
        problem: str = "",
        asker: str = "",
    ) -> Generator[Answer]:
        """The answer as it grows: what the model says and the notes support, the notes' own words, their links.

        `problem` is why there is no engine, if that is a failure.
        """
        near = about_as_good(evidence.sections)
        draft = _Draft(answer, self._store)
        reading = excerpts(near, evidence.scored)
        pointed: Chunk | None = None
        if engine and reading:
            pointed, problem = yield from self._say(engine, reading, draft, clock, asker)
        clock.mark("first_token")
        # where the model answers from what was found first, the others are not needed
        for section in near[:1] if near[0].chunk == pointed else sorted(near, key=lambda hit: hit.chunk != pointed):
            self._quote(section, evidence, draft)
            yield draft.answer
        if problem:
            wrote = draft.answer.engine != "extract"
            told = "The language model did not finish" if wrote else "Quoted from your notes without a language model"
            draft.add(Part("note", f"{told}: {problem}."))
        elif draft.doubted:
            draft.add(Part("note", _DOUBT))
        yield draft.answer

    def _quote(self, section: Hit, evidence: Evidence, draft: "_Draft") -> None:
        """Add what a section says and links to: the first one all that bears on the question, others their best; of a
        section with links that were asked for, these alone."""
        chosen = [] if _links_answer(draft.answer.why.asked, section.chunk) else choose(section, evidence)
        if draft.quoted:
            chosen = chosen[:1]
        elif not draft.answer.parts and chosen:
            draft.lead([item.unit for item in enumeration(chosen) or with_introduction(chosen)])
        elif not draft.answer.parts:
            draft.point_from(section.chunk)
        draft.begin(section.chunk.heading_path[-1])
        draft.quote([item.unit for item in sorted(chosen, key=_reading_order)])
        draft.point_from(section.chunk)
        draft.quoted = True

    def _say(
        self, engine: Engine, reading: Sequence[Excerpt], draft: "_Draft", clock: "_Clock", asker: str
    ) -> Generator[Answer, None, tuple[Chunk | None, str]]:
        """Add the model's sentences that the notes support. Returns the section that it answers from, if it does; and
        why there are no more, if that is a failure."""
        pointed: Chunk | None = None
        try:
            with closing(self._sentences(engine, reading, draft, clock, asker)) as sentences:
                for sentence in sentences:
                    said, numbers = read_reply(sentence)
                    cited = [reading[number - 1] for number in numbers if number <= len(reading) and number]
                    if FENCE.match(said):
                        continue  # the lines of code behind it are judged like any other
                    if said.startswith(NOT_IN_NOTES.rstrip(".")):
                        draft.doubted = pointed is None
                        break  # it is said of too much that the notes answer, which is quoted, and the doubt told
                    if cited and said.rstrip(".") == SEE:
                        pointed = pointed or cited[0].section
                    elif said and (unit := draft.say_if_supported(plain(said), _units(reading, cited))):
                        pointed = pointed or unit.chunk
                    if pointed:
                        draft.answer = replace(draft.answer, engine=engine.name)
                    yield draft.answer
        except NotesError as error:
            return pointed, str(error)
        return pointed, ""

    def _load_engine(self) -> tuple[Engine | None, str]:
        """The engine, loaded on first use, or None where notes are only quoted; and why, if that is a failure."""
        with self._engine_lock:
            if self._engine is None:
                try:
                    self._engine = load_engine(self._settings, self._engine_name)
                except NotesError as error:
                    return None, str(error)
            return self._engine, ""

    def _sentences(
        self, engine: Engine, reading: Sequence[Excerpt], draft: "_Draft", clock: "_Clock", asker: str
    ) -> Generator[str]:
        """The sentences of the model's reply, each as soon as it is complete, and empty ones in between, so that the
        reader can leave at any token."""
        passages = [excerpt.passage for excerpt in reading]
        prompt = build_prompt(parse(draft.answer.why.asked).text, passages, engine.prompt_bytes)
        text = ""
        completion = 0
        with closing(engine.stream(prompt, MAX_REPLY_TOKENS, asker)) as pieces:
            for piece in pieces:
                if isinstance(piece, Waiting):
                    draft.wait(piece.ahead)
                if piece:
                    clock.mark("first_token")
                    completion += 1
                    draft.heard(piece, {"prompt": engine.prompt_tokens, "completion": completion})
                *lines, line = (text + piece).lstrip().split("\n")
                yield from (part[start:end] for part in lines for start, end in sentence_spans(part))
                ended = _ended(line)
                yield from (line[start:end] for start, end in ended)
                text = line[ended[-1][1] :] if ended else line
                yield ""
        yield text.strip()


def _quotes_answer(asked: str, evidence: Evidence) -> bool:
    """Whether what answers is quoted whole: links that were asked for, or a list, of which a small model says an item
    or two."""
    first = evidence.sections[0]
    return _links_answer(asked, first.chunk) or bool(enumeration(choose(first, evidence)))


def _links_answer(asked: str, section: Chunk) -> bool:
    return parse(asked).asks_for_links and bool(pointers(section))


def _ended(line: str) -> list[tuple[int, int]]:
    """The sentences of a line that grows, but for the last one, and for what only seems to end, in a formula that is
    not complete yet."""
    spans = sentence_spans(line)[:-1]
    return list(takewhile(lambda span: not breaks_off(line[slice(*span)]), spans))


def _units(reading: Sequence[Excerpt], cited: Sequence[Excerpt]) -> list[Unit]:
    """All that a model has read, what it cites first."""
    return [unit for excerpt in (*cited, *reading) for unit in excerpt.units]


def _refusal(answer: Answer, evidence: Evidence) -> Answer:
    """What is told where the notes match a question and do not answer it."""
    asked = parse(answer.why.asked).topic
    text = f"Your notes do not answer this. {_not_enough(asked, evidence.sections)}:"
    nearest = dict.fromkeys(_in_one_line(section, asked) for section in evidence.sections)
    return replace(answer, route="none", parts=(Part("say", text), *(Part("quote", line) for line in nearest)))


def _not_enough(asked: str, sections: Sequence[Hit]) -> str:
    """Why the sections that match a question do not answer it, as far as their words tell."""
    held = frozenset[str]().union(*(stems(section.chunk.embedded_text) for section in sections))
    missing = dict.fromkeys(word for word in content_words(asked) if stems(word) - held)
    listed = ", ".join(f"“{beginning(word, _LONGEST_WORD)}”" for word in list(missing)[:_MOST_WORDS])
    reasons = [f"The nearest passages do not mention {listed}"] if listed else []
    wanted = asked_type(asked)
    if wanted and not wanted.is_in(sections[0].chunk, asked):
        reasons.append(f"{'the best of them' if listed else 'The nearest passage'} gives no {wanted.name}")
    return ", and ".join(reasons) or "The nearest passages match it only loosely"


def _in_one_line(section: Hit, asked: str) -> str:
    """The heading of a section, and the beginning of the first unit in it that has the most words of the question."""
    said = [unit.said for unit in units(section.chunk) if unit.kind != "links"]
    nearest = max(said, key=lambda text: len(stems(text) & stems(asked)), default="")
    return " – ".join(filter(None, [section.chunk.heading_path[-1], beginning(nearest, _LONGEST_LINE)]))


def _reading_order(item: Scored) -> int:
    """Where a unit stands in its section; all that are chosen are of one."""
    return item.unit.start


class _Draft:
    """An answer under way. Passages get their numbers in the order in which they are first cited."""

    def __init__(self, answer: Answer, store: Store) -> None:
        self.answer = answer
        self._store = store
        #: whether a section has been quoted
        self.quoted = False
        #: whether the language model said nothing but that the notes do not answer
        self.doubted = False
        self._heading = ""  # of the section that is quoted next; told as soon as there is something to quote

    def wait(self, ahead: int) -> None:
        """Remember how many replies are written before this one."""
        self.answer = replace(self.answer, state="waiting" if ahead else "writing", ahead=ahead)

    def heard(self, piece: str, tokens: dict[str, int]) -> None:
        """Remember a piece of the model's reply, as it wrote it."""
        why = replace(self.answer.why, reply=self.answer.why.reply + piece)
        self.answer = replace(self.answer, state="writing", why=why, tokens=tokens)

    def add(self, part: Part) -> None:
        heading: tuple[Part, ...] = ()
        if self._heading and part.kind in ("quote", "code", "table", "link"):
            heading, self._heading = (Part("heading", self._heading),), ""
        self.answer = replace(self.answer, parts=(*self.answer.parts, *heading, part))

    def begin(self, heading: str) -> None:
        """Name the section that is quoted next, unless the answer has done so."""
        named = any(f"“{heading}”" in part.text for part in self.answer.parts)
        self._heading = "" if named else heading

    def say(self, sentence: str, unit: Unit) -> bool:
        """Add a sentence of the direct answer; False where it has been said."""
        if self._holds(sentence):
            return False
        self.add(Part("say", sentence, self._cite(unit.chunk, unit.start, unit.end)))
        return True

    def say_if_supported(self, sentence: str, read: Sequence[Unit]) -> Unit | None:
        """Add a sentence of the model, and return the unit that supports it; where none does, or it has been said,
        remember why not."""
        support, objection = supporting(sentence, parse(self.answer.why.asked).text, read, self._store.similarity)
        if support and _is_line_of(sentence, support) and not self._holds(sentence):
            self.lead([support])
            return support
        if support and self.say(sentence, support):
            return support
        removed = Removed(sentence, objection or "it was said already")
        why = self.answer.why
        self.answer = replace(self.answer, why=replace(why, removed=(*why.removed, removed)))
        return None

    def lead(self, units: Sequence[Unit]) -> None:
        """Add units of the notes as the direct answer: one, or a list with its introduction."""
        for run in _runs(units):
            listed = run[0].kind == "item" and len(units) > 1
            self._lay_out(run, "item" if listed else "say", direct=True)

    def quote(self, units: Sequence[Unit]) -> None:
        """Add the notes' own words, but for those that the answer holds."""
        for run in _runs([unit for unit in units if not self._holds(plain(unit.text))]):
            self._lay_out(run, "quote", direct=False)

    def _lay_out(self, run: Sequence[Unit], kind: str, direct: bool) -> None:
        """Add one unit as a part of this kind, or code or the rows of a table as what they are."""
        unit = run[0]
        n = [self._cite(each.chunk, each.start, each.end) for each in run][0]
        if unit.head:
            text = "\n".join(plain(row.text) for row in run)
            self.add(Part("table", text, n, direct=direct, rows=_table(run)))
        elif unit.kind == "code":
            # in a list the fence, and all that is in it, is indented: there it would not end by itself
            first, line_end, rest = unit.text.partition("\n")
            self.add(Part("code", first + line_end + dedent(rest), n, direct=direct))
        else:
            self.add(Part(kind, plain(unit.text), n))

    def _holds(self, text: str) -> bool:
        """Whether the same words stand in the answer already, as a part of it or a line of code or of a table."""
        said = (line for part in self.answer.parts for line in (part.text, *part.text.split("\n")))
        return any(words(line) == words(text) for line in said)

    def point_from(self, section: Chunk) -> None:
        """Offer the links of a section that were asked for. Where nothing else was said, they are the answer."""
        meant = asked_for(parse(self.answer.why.asked).topic, section, self._store)
        meant = [pointer for pointer in meant if not self._points_to(pointer.link.url)]
        if not self.answer.parts:
            self.add(Part("say", _introduction(section, len(meant)), self._cite_pointers(section, meant)))
        for pointer in meant:
            self.add(Part("link", pointer.link.label, self._cite(section, None), url=pointer.link.url))

    def _points_to(self, url: str) -> bool:
        return any(part.url == url for part in self.answer.parts)

    def _cite_pointers(self, section: Chunk, meant: Sequence[Pointer]) -> int:
        """The number of a section, cited where its links stand; as a whole where these are not all in its text."""
        places = [(pointer.unit.start, pointer.unit.end) for pointer in meant if pointer.unit]
        if not meant or len(places) < len(meant):
            places = [(0, len(section.text))]
        return [self._cite(section, *place) for place in places][0]

    def _cite(self, chunk: Chunk, start: int | None, end: int = 0) -> int:
        """The number of a passage, with a stretch of its text added to what is cited."""
        citations = list(self.answer.citations)
        for index, citation in enumerate(citations):
            if citation.chunk == chunk:
                if start is not None:
                    spans = tuple(sorted({*citation.spans, (start, end)}))
                    citations[index] = replace(citation, spans=spans)
                    self.answer = replace(self.answer, citations=tuple(citations))
                return citation.n
        referring = tuple(self._store.referring(chunk.source)) if chunk.url else ()
        citation = Citation(len(citations) + 1, chunk, ((start or 0, end or len(chunk.text)),), referring)
        self.answer = replace(self.answer, citations=(*citations, citation), grounded=True)
        return citation.n


def _introduction(section: Chunk, meant: int) -> str:
    """What is said before so many links of a section, or in place of them."""
    heading = f"“{section.heading_path[-1]}”"
    if section.url:
        return f"There is an article on {heading}:"
    found = len(pointers(section))
    if 0 < meant < found:
        return f"Of the {found} links in your notes on {heading}:"
    return f"Your notes on {heading} " + ("point to:" if meant else "say no more than that.")


def _is_line_of(sentence: str, unit: Unit) -> bool:
    """Whether a sentence is a row of a table, or a whole line of code, which is shown as what it is."""
    lines = unit.text.split("\n") if unit.head or unit.kind == "code" else []
    return any(words(sentence) == words(line) for line in lines)


def _runs(units: Sequence[Unit]) -> list[list[Unit]]:
    """The units one by one, but for rows of one table that follow one another: these together."""
    runs: list[list[Unit]] = []
    for unit in units:
        if runs and unit.head and unit.head == runs[-1][0].head:
            runs[-1].append(unit)
        else:
            runs.append([unit])
    return runs


def _table(rows: Sequence[Unit]) -> tuple[tuple[str, ...], ...]:
    """The cells of rows of one table, below its header, as many as that has."""
    head = cells(rows[0].head)
    return (head, *((*cells(row.text), *[""] * len(head))[: len(head)] for row in rows))


class _Clock:
    """Milliseconds since the question came, at the moments that are reported."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._marks: dict[str, float] = {}

    def mark(self, name: str) -> None:
        """Remember the first time that something happened."""
        self._marks.setdefault(name, round((time.perf_counter() - self._start) * 1000, 1))

    def done(self, answer: Answer) -> Answer:
        for name in ("retrieve", "first_token", "total"):
            self.mark(name)
        return replace(answer, state="done", timings_ms=self._marks)
