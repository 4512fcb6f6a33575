"""Ask a file of questions and score what comes back: found, answered, cited, refused, and how fast.

A question contributes observations to the measures that it has something to say about, and a measure is their mean
(for times, their median and 95th percentile). A measure that nothing was observed for is None, never 0 or 1.
"""

import dataclasses
import difflib
import json
import math
import statistics
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from chatbot.answer import Answer, Assistant, Citation, Part
from chatbot.rewrite import leans_on, standalone
from knowledge.documents import Chunk, Hit
from knowledge.errors import NotesError
from knowledge.evidence import stems
from knowledge.query import parse
from knowledge.scores import fact_pattern, squad_words, token_f1
from knowledge.settings import Settings, checked
from knowledge.store import Store

#: How many chunks are searched for a rank; parts of one section count once, so that these are at least ten sections.
SEARCHED = 40
DEPTH = 10
#: Settings that have an option of their own, or that only the next ingest reads.
_NOT_COMPARED = {"home", "engine", "embedding_model", "max_file_mb", "fetch_links", "allow_private_hosts"}
_LISTS = ("must", "answers", "after")

Observations = dict[str, list[float]]


# -- questions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """A question with what a right answer finds, shows and cites; all but `q` may be left out.

    `section` is a heading, alternatives joined by `|`; `page` a source or its end; `url` an article or a link. Every
    fact of `must` has to be shown, in one of its alternatives; `answers` are gold short answers. `after` are the
    earlier questions of the conversation; `kind` is any label.
    """

    q: str
    section: str = ""
    url: str = ""
    page: str = ""
    must: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    answerable: bool = True
    after: tuple[str, ...] = ()
    kind: str = ""

    @property
    def has_place(self) -> bool:
        return self.answerable and bool(self.section or self.page or self.url)

    def is_wanted(self, chunk: Chunk) -> bool:
        """Whether a passage is the wanted one: the article at the address, or in the section and on the page that are
        named; where neither is, a passage with the link."""
        if self.url and chunk.url and _same_address(chunk.url, self.url):
            return True
        if self.section or self.page:
            return self._in_section(chunk) and self._on_page(chunk)
        return bool(self.url) and any(_same_address(link.url, self.url) for link in chunk.links)

    def _in_section(self, chunk: Chunk) -> bool:
        # a heading may hold the sign that joins alternatives
        wanted = {_normal(name) for name in (self.section, *self.section.split("|"))}
        return not self.section or _normal(chunk.heading_path[-1]) in wanted

    def _on_page(self, chunk: Chunk) -> bool:
        before = chunk.source.removesuffix(self.page)
        # behind "#" stands the address of a page in a web archive
        return not self.page or (before != chunk.source and before[-1:] in ("", "/", "#"))


def _normal(text: str) -> str:
    return " ".join(text.lower().split())


@lru_cache(maxsize=4096)
def _same_address(left: str, right: str) -> bool:
    from ingest.addresses import key_of

    return left == right or key_of(left) == key_of(right) != ""


def read_questions(path: Path) -> list[Question]:
    """The questions of a file with one JSON object a line. Raises NotesError with file and line where one is wrong."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise NotesError(f"{path}: cannot be read ({error})") from error
    questions = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                questions.append(_question(line))
            except (ValueError, NotesError) as error:
                raise NotesError(f"{path}:{number}: {error}") from error
    if not questions:
        raise NotesError(f'{path}: holds no questions; each is a line such as {{"q": "…", "section": "…"}}')
    return questions


def _question(line: str) -> Question:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from error
    if not isinstance(entry, dict):
        raise ValueError('is not a JSON object with a "q"')
    known = [field.name for field in dataclasses.fields(Question)]
    for key, value in entry.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f'did you mean "{close[0]}"?' if close else f"known are {', '.join(known)}"
            raise ValueError(f'unknown key "{key}"; {hint}')
        if problem := _problem(key, value):
            raise ValueError(f'"{key}" must be {problem}, not {json.dumps(value, ensure_ascii=False)}')
    if "q" not in entry:
        raise ValueError('has no "q"')
    values: dict[str, Any] = {key: tuple(value) if key in _LISTS else value for key, value in entry.items()}
    question = Question(**values)
    for asked in (question.q, *question.after):
        parse(asked)  # a filter that cannot be would end the run
    return question


def _problem(key: str, value: object) -> str:
    """What a value of the file should have been; nothing where it is right."""
    if key == "answerable":
        return "" if isinstance(value, bool) else "true or false"
    if key in _LISTS:
        right = isinstance(value, list) and all(isinstance(each, str) and each.strip("| \t\n") for each in value)
        return "" if right else "a list of texts"
    return "" if isinstance(value, str) and (value.strip() or key != "q") else "a text"


# -- runs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """An engine and settings that the questions are asked with."""

    name: str
    engine: str
    settings: Settings


def plan(settings: Settings, engines: Sequence[str], changes: Iterable[tuple[str, Any]]) -> list[Run]:
    """A run for each engine (the one that is set where none is named), then for each changed setting one more of the
    first engine."""
    first, *others = dict.fromkeys(engines or [settings.engine])
    runs = [Run(engine, engine, settings) for engine in (first, *others)]
    for key, value in changes:
        runs.append(Run(f"{first} {key}={value}", first, dataclasses.replace(settings, **{key: value})))
    return runs


def parse_change(text: str) -> tuple[str, Any]:
    """A setting of `config.toml` and its value from `KEY=VALUE`. Raises ValueError where it is none."""
    fields = [field for field in dataclasses.fields(Settings) if field.repr and field.name not in _NOT_COMPARED]
    kinds: dict[str, Any] = {field.name: field.type for field in fields}  # a secret, without repr, names no run
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or key not in kinds:
        raise ValueError(f"{text!r} is not KEY=VALUE with one of {', '.join(kinds)}")
    if kinds[key] is bool:
        if value not in ("true", "false"):
            raise ValueError(f"{key} must be true or false, not {value!r}")
        return key, value == "true"
    try:
        typed = kinds[key](value)
    except ValueError as error:
        raise ValueError(f"{key} must be of type {kinds[key].__name__}, not {value!r}") from error
    try:
        return key, checked(key, typed)
    except NotesError as error:
        raise ValueError(str(error)) from error


@dataclass(frozen=True)
class Result:
    """What came of a question: its answer, and the sections that a search for it finds, best first."""

    question: Question
    answer: Answer
    found: tuple[Hit, ...]

    @property
    def rank(self) -> int | None:
        """The rank of the first wanted section; None where no place is named or it was not found."""
        if not self.question.has_place:
            return None
        return next((rank for rank, hit in enumerate(self.found, 1) if self.question.is_wanted(hit.chunk)), None)

    @cached_property
    def observed(self) -> Observations:
        """What the question says about each measure; some say nothing, some several times."""
        return _retrieval(self) | _answers(self) | _citations(self) | _refusals(self) | _times(self)

    @property
    def scores(self) -> dict[str, float | None]:
        return {name: _mean(values) for name, values in self.observed.items()}

    @property
    def failures(self) -> list[str]:
        """What went wrong, in the words of FAILURES, the gravest first."""
        scores = self.scores
        return [name for measure, least, name in FAILURES if (score := scores[measure]) is not None and score < least]

    def as_dict(self) -> dict[str, object]:
        told = self.answer.as_dict()
        shown = {key: told[key] for key in ("route", "answer", "short_answer", "engine", "citations", "timings_ms")}
        scores = {name: score for name, score in self.scores.items() if name not in ("total", "first_token")}
        return {"q": self.question.q, **scores, "rank": self.rank, **shown}


def results(run: Run, questions: Iterable[Question], before: Callable[[Question], None]) -> Generator[Result]:
    """Ask each question of the notes; `before` is called with each as it is asked. Raises NotesError where nothing is
    indexed."""
    with closing(Store(run.settings)) as store:
        if not store.counts()[1]:
            raise NotesError("nothing is indexed yet: run `askmynotes ingest PATH`, then evaluate again")
        assistant = Assistant(store, run.settings, run.engine)
        assistant.warm_up()
        for question in questions:
            before(question)
            yield ask(question, assistant, store)


def ask(question: Question, assistant: Assistant, store: Store) -> Result:
    """The answer to a question, asked at the end of its conversation, and what a search for it finds."""
    turns: list[Answer] = []
    for earlier in question.after:
        turns.append(_complete(assistant, earlier, turns))
    answer = _complete(assistant, question.q, turns)
    before = leans_on(question.q, turns, store)
    found = store.search(standalone(question.q, before), SEARCHED, keep=before)
    return Result(question, answer, sections(found))


def _complete(assistant: Assistant, question: str, turns: Sequence[Answer]) -> Answer:
    with closing(assistant.stream(question, turns)) as states:
        *_, last = states
    return last


def sections(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """The best hit of each section, best first."""
    best: dict[tuple[str, tuple[str, ...]], Hit] = {}
    for hit in hits:
        best.setdefault(hit.chunk.section, hit)
    return tuple(best.values())


# -- scores --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """Something measured over many questions; `form` is how its value is printed."""

    name: str
    label: str
    form: str

    def show(self, value: float | None) -> str:
        return "–" if value is None else self.form.format(value)


_SHARE = "{:.1%}"
_MILLISECONDS = "{:,.0f} ms"

MEASURES = (
    Measure("hit@1", "found first (hit@1)", _SHARE),
    Measure("hit@3", "among three (hit@3)", _SHARE),
    Measure("hit@5", "among five (hit@5)", _SHARE),
    Measure("mrr@10", "MRR@10", "{:.3f}"),
    Measure("ndcg@10", "nDCG@10", "{:.3f}"),
    Measure("answered", "answered", _SHARE),
    Measure("exact_match", "exact match", "{:.1f}"),
    Measure("f1", "token F1", "{:.1f}"),
    Measure("facts_shown", "all facts shown", _SHARE),
    Measure("url_shown", "link shown", _SHARE),
    Measure("citation_precision", "citations right", _SHARE),
    Measure("cited_support", "words in the quote", _SHARE),
    Measure("refusal_precision", "refusals right", _SHARE),
    Measure("refusal_recall", "unanswerable refused", _SHARE),
    Measure("false_refusals", "falsely refused", _SHARE),
    Measure("total_ms_median", "time, median", _MILLISECONDS),
    Measure("total_ms_p95", "time, 95th percentile", _MILLISECONDS),
    Measure("first_token_ms_median", "first word, median", _MILLISECONDS),
    Measure("first_token_ms_p95", "first word, 95th perc.", _MILLISECONDS),
)

#: (measure, a question fails below, what that is), the gravest first
FAILURES = (
    ("refusal_recall", 1, "Answered, though the notes do not"),
    ("answered", 1, "Not answered, though the notes do"),
    ("hit@1", 1, "The wanted passage is not found first"),
    ("facts_shown", 1, "A required fact is not shown"),
    ("url_shown", 1, "The wanted link is not shown"),
    ("f1", 50, "Far from every given answer"),
    ("citation_precision", 1, "A citation beside what was wanted"),
    ("cited_support", 1, "Words that do not stand in the quote"),
)


def summarise(outcome: Sequence[Result]) -> dict[str, float | None]:
    """Every measure over the results of a run."""
    pooled = observations(outcome)
    summary = {name: _mean(values) for name, values in pooled.items()}
    if not pooled["refusal_recall"]:  # without unanswerable questions no refusal can be right
        summary["refusal_precision"] = None
    for moment in ("total", "first_token"):
        summary[f"{moment}_ms_median"] = statistics.median(pooled[moment]) if pooled[moment] else None
        summary[f"{moment}_ms_p95"] = percentile(pooled[moment], 95)
    return {measure.name: summary[measure.name] for measure in MEASURES}


def observations(outcome: Iterable[Result]) -> Observations:
    """What all results say about each measure."""
    pooled: Observations = {name: [] for name in _NAMES}
    for result in outcome:
        for name, values in result.observed.items():
            pooled[name] += values
    return pooled


_NAMES = (*(measure.name for measure in MEASURES if "_ms_" not in measure.name), "total", "first_token")


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest of the values that at least `share` per cent of them do not exceed; None of none."""
    ranked = sorted(values)
    return ranked[math.ceil(share / 100 * len(ranked)) - 1] if ranked else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _retrieval(result: Result) -> Observations:
    """One section is relevant, so that the ideal gain is 1."""
    rank = result.rank or math.inf
    seen = {f"hit@{k}": float(rank <= k) for k in (1, 3, 5)}
    seen["mrr@10"] = 1 / rank if rank <= DEPTH else 0.0
    seen["ndcg@10"] = 1 / math.log2(rank + 1) if rank <= DEPTH else 0.0
    return {name: [value] if result.question.has_place else [] for name, value in seen.items()}


def _answers(result: Result) -> Observations:
    question, answer = result.question, result.answer
    answered = answer.route == "notes"
    said = str(answer.as_dict()["short_answer"]) if answered else ""
    seen: Observations = {"answered": [], "exact_match": [], "f1": [], "facts_shown": [], "url_shown": []}
    if not question.answerable:
        return seen
    seen["answered"] = [float(answered)]
    if question.answers:
        seen["exact_match"] = [
            100 * max(float(answered and squad_words(said) == squad_words(gold)) for gold in question.answers)
        ]
        seen["f1"] = [100 * max(token_f1(said, gold) for gold in question.answers)]
    if question.must:
        text = str(answer.as_dict()["answer"])
        seen["facts_shown"] = [float(answered and all(fact_pattern(fact).search(text) for fact in question.must))]
    if question.url:
        seen["url_shown"] = [float(answered and _shows(answer, question.url))]
    return seen


def _shows(answer: Answer, url: str) -> bool:
    """Whether an address is linked to, or that of a cited article."""
    linked = [part.url for part in answer.parts]
    cited = [citation.chunk.url for citation in answer.citations]
    return any(_same_address(each, url) for each in (*linked, *cited) if each)


def _citations(result: Result) -> Observations:
    question, answer = result.question, result.answer
    seen: Observations = {"citation_precision": [], "cited_support": []}
    if answer.route != "notes":
        return seen
    if question.has_place or (question.answerable and (question.must or question.answers)):
        seen["citation_precision"] = [float(_is_right(citation, question)) for citation in answer.citations]
    by_number = {citation.n: citation for citation in answer.citations}
    seen["cited_support"] = [
        float(part.n in by_number and _stands_in(part.text, by_number[part.n])) for part in _claims(answer.parts)
    ]
    return seen


def _is_right(citation: Citation, question: Question) -> bool:
    """Whether a citation's quote holds something wanted, or lies where it was wanted."""
    facts = (*question.must, *question.answers)
    return question.is_wanted(citation.chunk) or any(fact_pattern(fact).search(citation.quote) for fact in facts)


def _claims(parts: Sequence[Part]) -> list[Part]:
    """The numbered parts that say something of their own: not the links, nor the words that introduce them."""
    following = (*parts[1:], None)
    return [
        part
        for part, then in zip(parts, following, strict=True)
        if part.n and part.kind != "link" and not (part.text.endswith(":") and then and then.kind == "link")
    ]


def _stands_in(text: str, citation: Citation) -> bool:
    """Whether every word that carries meaning stands, in some form, in what is quoted or in the heading above it."""
    return stems(text) <= stems(citation.quote) | stems(citation.chunk.heading)


def _refusals(result: Result) -> Observations:
    refused = result.answer.route == "none"
    answerable = result.question.answerable
    return {
        "refusal_precision": [float(not answerable)] if refused else [],
        "refusal_recall": [] if answerable else [float(refused)],
        "false_refusals": [float(refused)] if answerable else [],
    }


def _times(result: Result) -> Observations:
    return {moment: [result.answer.timings_ms[moment]] for moment in ("total", "first_token")}


# -- printing ------------------------------------------------------------------------------------------------------


def table(outcomes: Mapping[str, Sequence[Result]]) -> list[str]:
    """Lines for a terminal: a row for each measure that was observed, how often, and a column for each run."""
    summaries = {name: summarise(outcome) for name, outcome in outcomes.items()}
    widths = {name: max(len(name), 9) for name in outcomes}
    lines = [f"{'':24}{'of':>5}  " + "  ".join(f"{name:>{widths[name]}}" for name in outcomes)]
    for measure in observed_measures(summaries):
        count = max(_count(measure, outcome) for outcome in outcomes.values())
        cells = (f"{measure.show(summary[measure.name]):>{widths[name]}}" for name, summary in summaries.items())
        lines.append(f"{measure.label:24}{count:>5}  " + "  ".join(cells))
    return lines


def observed_measures(summaries: Mapping[str, Mapping[str, float | None]]) -> list[Measure]:
    """The measures that at least one of the runs has a value for."""
    return [measure for measure in MEASURES if any(each[measure.name] is not None for each in summaries.values())]


def _count(measure: Measure, outcome: Sequence[Result]) -> int:
    """How often a measure was observed."""
    return len(observations(outcome)[measure.name.partition("_ms_")[0]])


def remarks(outcome: Iterable[Result]) -> list[str]:
    """What the answers say about themselves, such as that the language model is missing, with how many say so."""
    notes = Counter(part.text for result in outcome for part in result.answer.parts if part.kind == "note")
    return [f"{count} of the answers: {text}" for text, count in notes.most_common()]
