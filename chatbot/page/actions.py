"""What happens on the page: asking, stopping, opening and keeping conversations."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from html import escape
from typing import Any

import gradio as gr
from pydantic import TypeAdapter

from chatbot.answer import Answer
from chatbot.ingest_job import linked_pages
from chatbot.page.render import answer_html, conversations_html, question_html, sources_html
from chatbot.service import Service
from knowledge.errors import NotesError
from knowledge.store import Store

_READY = gr.update(submit_btn=True, stop_btn=False)
_ANSWERS = TypeAdapter(Answer)
_STOP = "stop"


class Actions:
    """The handlers of the page's events. Each takes and returns what the components that are wired to it hold."""

    def __init__(self, service: Service) -> None:
        self._assistant = service.assistant
        self._store = service.store
        self._job = service.job
        self._history = service.history
        # What a session asks of its answer under way: _STOP, or the conversation that is opened instead. The answer
        # itself takes it up, within a tenth of a second: cancelling from outside would race with what it sends last.
        self._wishes: dict[str | None, str] = {}

    def respond(
        self, question: str, turns: list[Answer], current: str, containing: str, request: gr.Request
    ) -> Generator[tuple[Any, ...], None, None]:
        if not question.strip():
            yield (gr.skip(),) * 6
            return
        yield gr.update(value="", submit_btn=False, stop_btn=True), *[gr.skip()] * 5
        answers = _answers(Answer(question), lambda: self._assistant.stream(question, turns))
        yield from self._follow(answers, turns, current, containing, request)

    def again(
        self, turns: list[Answer], current: str, containing: str, request: gr.Request
    ) -> Generator[tuple[Any, ...], None, None]:
        if not turns:
            yield (gr.skip(),) * 6
            return
        yield gr.update(submit_btn=False, stop_btn=True), *[gr.skip()] * 5
        answers = _answers(turns[-1], lambda: self._assistant.again(turns[-1]))
        yield from self._follow(answers, turns[:-1], current, containing, request)

    def _follow(
        self,
        answers: Generator[Answer, None, None],
        turns: list[Answer],
        current: str,
        containing: str,
        request: gr.Request,
    ) -> Generator[tuple[Any, ...], None, None]:
        """Show an answer as it grows behind these turns, and keep it."""
        self._wishes.pop(request.session_hash, None)
        shown = answer = None
        with closing(answers):
            for answer in answers:
                wish = self._wishes.pop(request.session_hash, None)
                if wish == _STOP:
                    answer = answer.ended("Stopped.")
                    break
                if wish is not None:
                    yield self._opened(wish, containing)
                    return
                # what looks the same is not sent again; the empty yields let a closed page end the work
                if (looks := (answer.state, answer.text)) == shown:
                    yield (gr.skip(),) * 6
                else:
                    shown = looks
                    yield gr.skip(), *_drawn([*turns, answer]), gr.skip(), gr.skip()
        if answer:
            current = self._history.put(current, len(turns), answer.question, _ANSWERS.dump_json(answer).decode())
            yield _READY, *_drawn([*turns, answer]), current, self._listed(current, containing)

    def stop(self, request: gr.Request) -> None:
        self._wishes[request.session_hash] = _STOP

    def _opened(self, identity: str, containing: str) -> tuple[Any, ...]:
        """A conversation, or with no identity a new one."""
        held = [_ANSWERS.validate_json(turn.answer) for turn in self._history.turns(identity)]
        return _READY, *_drawn(held), identity, self._listed(identity, containing)

    def _listed(self, current: str, containing: str, with_undo: bool = False) -> str:
        return conversations_html(self._history.conversations(containing), current, with_undo)

    def picked(self, containing: str, event: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        self._wishes[request.session_hash] = event.value
        return self._opened(event.value, containing)

    def start_over(self, containing: str, request: gr.Request) -> tuple[Any, ...]:
        self._wishes[request.session_hash] = ""
        return self._opened("", containing)

    def delete(self, current: str, containing: str, request: gr.Request) -> tuple[Any, ...]:
        self._history.delete(current)
        *opened, _ = self.start_over(containing, request)
        return *opened, self._listed("", containing, with_undo=True)

    def restore(self, containing: str, request: gr.Request) -> tuple[Any, ...]:
        identity = self._wishes[request.session_hash] = self._history.restore()
        return self._opened(identity, containing)

    def named(self, current: str) -> Any:
        """The field that renames the conversation that is open."""
        title = next((each.title for each in self._history.conversations() if each.id == current), "")
        return gr.update(value=title, visible=bool(current))

    def rename(self, current: str, title: str, containing: str) -> str:
        if title.strip():
            self._history.rename(current, title.strip())
        return self._listed(current, containing)

    def search(self, current: str, containing: str) -> str:
        return self._listed(current, containing)

    def edit(self, turns: list[Answer]) -> tuple[Any, ...]:
        """The last question once more in the box; asked again it takes its own place."""
        return turns[-1].question if turns else gr.skip(), *_drawn(turns[:-1])

    def rate(self, turns: list[Answer], current: str, event: gr.LikeData) -> Any:
        number = event.index // 2 if isinstance(event.index, int) else event.index[0] // 2
        rating = 1 if event.liked is True else -1 if event.liked is False else 0
        self._history.rate(current, number, rating)
        return gr.update(visible=rating < 0, value="", info=f"“{turns[number].question}”")

    def explain(self, current: str, text: str) -> Any:
        for turn in self._history.turns(current):
            if turn.rating < 0 and not turn.reason:
                self._history.rate(current, turn.number, turn.rating, text)
        return gr.update(visible=False)

    def fetch_articles(self) -> Generator[tuple[Any, ...], None, None]:
        self._job.start(links=True)
        while self._job.running:
            yield pages_html(self._store, self._job.line), gr.update(interactive=False), gr.update(interactive=True)
            time.sleep(0.5)
        yield pages_html(self._store, self._job.line), gr.update(interactive=True), gr.update(interactive=False)


def _answers(begun: Answer, answers: Callable[[], Generator[Answer]]) -> Generator[Answer, None, None]:
    """The answer as it grows; a failure is told in its place."""
    answer = begun
    try:
        with closing(answers()) as growing:
            for answer in growing:  # noqa: B007  the last one is kept for the case of a failure
                yield answer
    except NotesError as error:
        told = str(error)
        yield answer.ended(f"{told[:1].upper()}{told[1:]}.")


def _drawn(turns: list[Answer]) -> tuple[list[dict[str, str]], str, list[Answer]]:
    """The conversation and its sources as they are shown, and the turns themselves."""
    messages = []
    for turn, answer in enumerate(turns):
        messages.append({"role": "user", "content": question_html(answer.question)})
        messages.append({"role": "assistant", "content": answer_html(answer, turn)})
    return messages, sources_html(turns), turns


def pages_html(store: Store, line: str) -> str:
    told = f'<p role="status">{escape(line)}</p>' if line else ""
    return f"<p>{escape(linked_pages(store))} Fetching them goes online, to the addresses in your notes.</p>{told}"
