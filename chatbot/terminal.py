"""Answers in the terminal: streamed, with their sources, one at a time or as a conversation."""

import sys
from collections.abc import Generator
from contextlib import closing

import click

from chatbot.answer import Answer, Assistant

_HELP = """Ask in your own words. /sources shows the passages behind the last answer, /new starts over, /quit leaves.
Ctrl-C stops an answer, Ctrl-D leaves."""


def show(answers: Generator[Answer]) -> Answer:
    """Print an answer as it grows; returns its last state."""
    shown = ""
    for answer in answers:  # noqa: B007  the last one is the result
        click.echo(answer.text[len(shown) :], nl=False)
        shown = answer.text
        sys.stdout.flush()
    click.echo()
    return answer


def show_sources(answer: Answer) -> None:
    """Print where the cited passages stand."""
    for citation in answer.citations:
        click.secho(f"[{citation.n}] {citation.chunk.heading}", bold=True)
        click.echo(f"    {citation.chunk.location(citation.lines)}")
        for reference in citation.linked_from:
            click.echo(f"    linked from {reference.source}:{reference.line}  {reference.heading}")


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
        elif command.startswith("/"):
            click.echo(_HELP)
        elif command:
            _answer(assistant, question, turns)


def _read() -> str | None:
    """The next line typed; None at the end of input. Ctrl-C only drops what was typed."""
    while True:
        try:
            return input("\n> " if sys.stdin.isatty() else "")
        except KeyboardInterrupt:
            click.echo("\n(Ctrl-D or /quit leaves)")
        except EOFError:
            return None


def _answer(assistant: Assistant, question: str, turns: list[Answer]) -> None:
    latest = Answer(question)
    try:
        with closing(assistant.stream(question, turns)) as answers:
            latest = show(answers)
        show_sources(latest)
    except KeyboardInterrupt:
        click.echo("\n(stopped)")
    turns.append(latest)


def _show_passages(turns: list[Answer]) -> None:
    if not turns or not turns[-1].citations:
        click.echo("The last answer cites nothing." if turns else "Nothing has been asked yet.")
        return
    show_sources(turns[-1])
    for citation in turns[-1].citations:
        click.echo(f"\n[{citation.n}]\n{citation.chunk.text}")
