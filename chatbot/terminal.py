"""Answers in the terminal: streamed, with their sources, one at a time or as a conversation."""

import sys
import textwrap
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

import click

from chatbot.answer import Answer, Assistant
from chatbot.decide import Figure
from chatbot.why import COLUMNS, FIGURE_COLUMNS, LEGEND, Removed, figure_row, row, summary
from knowledge.documents import Hit
from knowledge.errors import NotesError

_HELP = """Ask in your own words. /sources shows the passages behind the last answer, /why how it came about. /again
answers from the same passages in the other way: quoted, or by the language model. /new starts over, /quit leaves.
Ctrl-C stops an answer, Ctrl-D leaves."""
#: Columns of a terminal that nobody has made wider.
_WIDTH = 80


def show(answers: Generator[Answer]) -> Answer:
    """Print an answer as it grows; returns its last state."""
    *_, last = _printed(answers)
    click.echo()
    return last


def _printed(answers: Generator[Answer]) -> Iterator[Answer]:
    """The states of an answer, each printed as far as it is new."""
    shown = ""
    for answer in answers:
        click.echo(answer.text[len(shown) :], nl=False)
        shown = answer.text
        sys.stdout.flush()
        yield answer


def show_sources(answer: Answer) -> None:
    """Print where the cited passages stand."""
    for citation in answer.citations:
        click.secho(f"[{citation.n}] {citation.chunk.heading}", bold=True)
        click.echo(f"    {citation.location}")
        for reference in citation.linked_from:
            click.echo(f"    linked from {reference.source}:{reference.line}  {reference.heading}")


def show_why(answer: Answer) -> None:
    """Print how an answer came about."""
    click.secho("\nWhy this answer", bold=True)
    for name, text in summary(answer).items():
        click.echo(_wrapped(text, f"  {name:9}"))
    why = answer.why
    figures = why.decision.figures if why.decision else ()
    for lines in (_figure_lines(figures), _candidate_lines(why.candidates), _removed_lines(why.removed)):
        for index, line in enumerate(lines):
            click.secho(line if index else f"\n{line}", bold=not index)


def _wrapped(text: str, before: str) -> str:
    """A text within the width, its further lines under the first; of a very long one the beginning."""
    after = " " * len(before)
    return "\n".join(textwrap.wrap(text, _WIDTH, initial_indent=before, subsequent_indent=after, max_lines=6))


def _figure_lines(figures: Sequence[Figure]) -> Iterator[str]:
    longest = max((len(figure.name) for figure in figures), default=0)
    for name, value, weight in [FIGURE_COLUMNS, *map(figure_row, figures)] if figures else ():
        yield f"   {name:{longest}} {value:>6} {weight:>7}"


def _candidate_lines(candidates: Sequence[Hit]) -> Iterator[str]:
    """A table of the passages that were looked at; each takes two lines, so that its name finds room."""
    if not candidates:
        return
    widths = [len(name) + 1 for name in COLUMNS]
    columns = "".join(f"{name:>{width}}" for name, width in zip(COLUMNS, widths, strict=True))
    yield f"   {columns}  passages looked at"
    room = _WIDTH - len(f"   {columns}  ")
    for number, hit in enumerate(candidates, start=1):
        cells = "".join(f"{cell:>{width}}" for cell, width in zip(row(hit), widths, strict=True))
        heading, place = hit.chunk.heading_path[-1], hit.chunk.location(hit.chunk.lines)
        yield f"{number:>3}{cells}  {heading if len(heading) <= room else heading[: room - 1] + '…'}"
        yield f"{'':{_WIDTH - room}}{place if len(place) <= room else '…' + place[1 - room :]}"
    yield _wrapped(LEGEND, "   ")


def _removed_lines(removed: Sequence[Removed]) -> Iterator[str]:
    if removed:
        yield "   Removed from what the language model wrote"
    for each in removed:
        yield _wrapped(f"“{each.sentence}”", "   ")
        yield _wrapped(each.reason, "       ")


def chat(assistant: Assistant) -> None:
    """Converse until Ctrl-D or /quit. An answer that is stopped counts as far as it came."""
    click.echo(_HELP)
    turns: list[Answer] = []
    while (question := _read()) is not None:
        command = question.strip().lower()
        if command == "/quit":
            break
        if command == "/new":
            turns.clear()
            click.echo("A new conversation.")
        elif command == "/sources":
            _show_passages(turns)
        elif command == "/why":
            _show_last_why(turns)
        elif command == "/again":
            _answer_again(assistant, turns)
        elif command.startswith("/"):
            click.echo(_HELP)
        elif command:
            turns.append(_shown(assistant.stream(question, turns), Answer(question, route="none")))


def _read() -> str | None:
    """The next line typed; None at the end of input. Ctrl-C only drops what was typed."""
    while True:
        try:
            return input("\n> " if sys.stdin.isatty() else "")
        except KeyboardInterrupt:
            click.echo("\n(Ctrl-D or /quit leaves)")
        except EOFError:
            return None


def _shown(answers: Generator[Answer], latest: Answer) -> Answer:
    """Print an answer with its sources, and return it as far as it came; `latest` where it cannot be given, or was
    stopped before it said anything that could take the place of that."""
    answer = latest
    try:
        with closing(answers):
            for answer in _printed(answers):  # noqa: B007  the last one is the result
                pass
        click.echo()
        show_sources(answer)
    except KeyboardInterrupt:
        click.echo("\n(stopped)")
        return latest if latest.parts and (answer is latest or not answer.parts) else answer.ended("Stopped.")
    except NotesError as error:  # such as a filter that cannot be
        click.echo(str(error))
        return latest
    return answer


def _answer_again(assistant: Assistant, turns: list[Answer]) -> None:
    if turns:
        turns[-1] = _shown(assistant.again(turns[-1]), turns[-1])
    else:
        click.echo("Nothing has been asked yet.")


def _show_last_why(turns: list[Answer]) -> None:
    if turns:
        show_why(turns[-1])
    else:
        click.echo("Nothing has been asked yet.")


def _show_passages(turns: list[Answer]) -> None:
    if not turns or not turns[-1].citations:
        click.echo("The last answer cites nothing." if turns else "Nothing has been asked yet.")
        return
    show_sources(turns[-1])
    for citation in turns[-1].citations:
        click.echo(f"\n[{citation.n}]\n{citation.chunk.text}")
