"""What happens on the page: asking, stopping, opening and keeping conversations."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from threading import Event
from typing import Any
from weakref import WeakValueDictionary

import gradio as gr
from pydantic import TypeAdapter

from chatbot.answer import Answer
from chatbot.leavable import leavable
from chatbot.page import texts
from chatbot.page.evidence import evidence_html, unused, whole_html
from chatbot.page.follow_ups import follow_ups
from chatbot.page.origin import date_of, problem_of
from chatbot.page.render import answer_html, conversations_html, editing_html, question_html
from chatbot.service import Service
from knowledge.errors import NotesError

_READY = gr.update(submit_btn=True, stop_btn=False)
_BUSY = gr.update(submit_btn=False, stop_btn=True)
_ANSWERS = TypeAdapter(Answer)
_STOP = "stop"
#: Something is sent to a page at least this often (seconds): only then Gradio sees that the page was closed.
_PULSE = 0.5


class _Wishes(list[str]):
    """What is wished for while an answer is under way: _STOP, or the conversation that is opened instead."""


class Actions:
    """The handlers of the page's events. Each takes and returns what the components that are wired to it hold."""

    def __init__(self, service: Service) -> None:
        self._assistant = service.assistant
        self._store = service.store
        self._history = service.history
        # For each session as long as an answer of its is followed, which takes them up itself, within a tenth of a
        # second: cancelling from outside would race with what it sends last.
        self._wishes: WeakValueDictionary[tuple[str, str | None], _Wishes] = WeakValueDictionary()

    def respond(
        self,
        question: str,
        turns: list[Answer],
        current: str,
        containing: str,
        editing: int | None,
        request: gr.Request,
    ) -> Generator[tuple[Any, ...], None, None]:
        if not question.strip():
            yield (gr.skip(),) * 7
            return
        turns = turns[:editing]
        answers = _answers(Answer(question), lambda: self._assistant.stream(question, turns, asker=_asker(request)))
        yield from self._follow(answers, _BUSY | {"value": ""}, turns, None, current, containing, request)

    def again(
        self, turns: list[Answer], current: str, containing: str, request: gr.Request
    ) -> Generator[tuple[Any, ...], None, None]:
        if not turns:
            yield (gr.skip(),) * 7
            return
        answers = _answers(turns[-1], lambda: self._assistant.again(turns[-1], _asker(request)))
        yield from self._follow(answers, _BUSY, turns[:-1], turns[-1], current, containing, request)

    def _follow(
        self,
        answers: Generator[Answer],
        box: dict[str, Any],
        turns: list[Answer],
        old: Answer | None,
        current: str,
        containing: str,
        request: gr.Request,
    ) -> Generator[tuple[Any, ...], None, None]:
        """Show an answer as it grows behind these turns, and keep it in the place of an old one; meanwhile the box for
        questions is like that."""
        shown = answer = None
        sent = 0.0
        wishes = self._wishes[_session(request)] = _Wishes()
        yield box, *[gr.skip()] * 5, None
        with closing(answers):
            for answer in answers:
                if wishes:
                    break
                # what looks the same is not sent again; the empty yields let a closed page end the work
                if (looks := (answer.state, answer.ahead, answer.text)) != shown:
                    shown = looks
                    yield gr.skip(), *self._drawn([*turns, answer]), *[gr.skip()] * 3
                elif time.monotonic() > sent + _PULSE:
                    yield (gr.skip(),) * 7
                else:
                    continue
                sent = time.monotonic()
        if wishes and wishes[-1] != _STOP:
            yield self._opened(wishes[-1], containing, request)
            return
        assert answer
        if old and answer.why is old.why:  # nothing else came: what is told of that is shown once, and not kept
            yield _READY, *self._drawn([*turns, answer])[:2], [*turns, old], *[gr.skip()] * 3
            return
        if answer.state != "done":
            answer = answer.ended(texts.STOPPED)
        kept = _ANSWERS.dump_json(answer).decode()
        current = self._history.put(user_of(request), current, len(turns), answer.question, kept)
        listed = self._listed(request, current, containing)
        yield _READY, *self._drawn([*turns, answer]), current, listed, gr.skip()

    def _wish(self, request: gr.Request, wish: str) -> None:
        self._wishes.get(_session(request), _Wishes()).append(wish)

    def _drawn(
        self, turns: list[Answer], selected: int | None = None
    ) -> tuple[list[dict[str, Any]], str, list[Answer]]:
        """The conversation and the evidence of one answer, the last one unless it is told, as they are shown; and the
        answers themselves."""
        selected = len(turns) - 1 if selected is None else selected
        messages: list[dict[str, Any]] = []
        for turn, answer in enumerate(turns):
            messages.append({"role": "user", "content": question_html(answer.question, turn)})
            messages.append({"role": "assistant", "content": answer_html(answer, turn, turn == selected)})
        if turns and turns[-1].state == "done":
            messages[-1]["options"] = [{"value": question} for question in follow_ups(turns, self._store)]
        return messages, self._evidence(turns[selected] if turns else None, selected), turns

    def _evidence(self, answer: Answer | None, turn: int) -> str:
        if answer is None:
            return evidence_html(None, turn, {})
        chunks = [*(citation.chunk for citation in answer.citations), *(hit.chunk for hit in unused(answer))]
        dates = {source: date_of(source, self._store) for source in {chunk.source for chunk in chunks}}
        return evidence_html(answer, turn, dates)

    def selected(self, turns: list[Answer], event: gr.SelectData) -> tuple[Any, ...]:
        """The evidence of the answer that was picked."""
        turn = int(str(event.value).partition("-")[0])
        return self._drawn(turns, turn)[:2] if turn < len(turns) else (gr.skip(), gr.skip())

    def whole(self, turns: list[Answer], event: gr.SelectData) -> Any:
        """The whole note that a citation is from."""
        turn, n = map(int, str(event.value).split("-"))
        if turn >= len(turns) or not 0 < n <= len(turns[turn].citations):
            return gr.skip()
        citation = turns[turn].citations[n - 1]
        source = citation.chunk.source
        told = date_of(source, self._store), problem_of(source, self._store)
        return whole_html(citation, turn, self._store.get(source), *told)

    def stop(self, request: gr.Request) -> None:
        self._wish(request, _STOP)

    def _opened(self, identity: str, containing: str, request: gr.Request) -> tuple[Any, ...]:
        """A conversation, or with no identity a new one."""
        held = [_ANSWERS.validate_json(turn.answer) for turn in self._history.turns(user_of(request), identity)]
        return _READY, *self._drawn(held), identity, self._listed(request, identity, containing), None

    def _listed(self, request: gr.Request, current: str, containing: str, with_undo: bool = False) -> str:
        return conversations_html(self._history.conversations(user_of(request), containing), current, with_undo)

    def picked(self, containing: str, event: gr.SelectData, request: gr.Request) -> tuple[Any, ...]:
        self._wish(request, event.value)
        return self._opened(event.value, containing, request)

    def start_over(self, containing: str, request: gr.Request) -> tuple[Any, ...]:
        self._wish(request, "")
        return self._opened("", containing, request)

    def delete(self, current: str, containing: str, request: gr.Request) -> tuple[Any, ...]:
        self._history.delete(user_of(request), current)
        *opened, _, editing = self.start_over(containing, request)
        return *opened, self._listed(request, "", containing, with_undo=True), editing

    def restore(self, containing: str, request: gr.Request) -> tuple[Any, ...]:
        identity = self._history.restore(user_of(request))
        self._wish(request, identity)
        return self._opened(identity, containing, request)

    def named(self, current: str, request: gr.Request) -> Any:
        """The field that renames the conversation that is open."""
        conversations = self._history.conversations(user_of(request))
        title = next((each.title for each in conversations if each.id == current), "")
        return gr.update(value=title, visible=bool(current))

    def rename(self, current: str, title: str, containing: str, request: gr.Request) -> str:
        if title.strip():
            self._history.rename(user_of(request), current, title.strip())
        return self._listed(request, current, containing)

    def search(self, current: str, containing: str, request: gr.Request) -> str:
        return self._listed(request, current, containing)

    def edit(self, turns: list[Answer], event: gr.SelectData) -> tuple[Any, ...]:
        """A question once more in the box, and its number: asked again it takes its own place."""
        turn = int(event.value)
        return (turns[turn].question, turn) if turn < len(turns) else (gr.skip(), gr.skip())

    def told_of_editing(self, editing: int | None, turns: list[Answer]) -> str:
        return "" if editing is None else editing_html(editing, len(turns))

    def rate(self, turns: list[Answer], current: str, event: gr.LikeData, request: gr.Request) -> tuple[Any, ...]:
        """Keep a rating. Returns the field for what was wrong, and which answer it asks about."""
        number = event.index // 2 if isinstance(event.index, int) else event.index[0] // 2
        rating = 1 if event.liked is True else -1 if event.liked is False else 0
        self._history.rate(user_of(request), current, number, rating)
        asking = gr.update(visible=rating < 0, value="", info=f"“{turns[number].question}”")
        return asking, (current, number)

    def explain(self, rated: tuple[str, int], text: str, request: gr.Request) -> Any:
        user, (current, number) = user_of(request), rated
        for turn in self._history.turns(user, current):
            if turn.number == number and turn.rating < 0:
                self._history.rate(user, current, number, turn.rating, text)
        return gr.update(visible=False)


def user_of(request: gr.Request) -> str:
    """Who is at the page; the empty string where there is no login."""
    return request.username or ""


def _session(request: gr.Request) -> tuple[str, str | None]:
    return user_of(request), request.session_hash


def _asker(request: gr.Request) -> str:
    """Whose turn it is at the language model: people take turns, and where nobody logs in, the open pages."""
    return user_of(request) or f"page {request.session_hash}"


def _answers(begun: Answer, answers: Callable[[], Generator[Answer]]) -> Generator[Answer]:
    """The answer as it grows, at least ten times a second, so that it can be left while it searches or a model is
    loaded; a failure is told in its place."""

    def grow(left: Event, put: Callable[[Answer], None]) -> None:
        with closing(answers()) as growing:
            for answer in growing:
                put(answer)
                if left.is_set():
                    return

    answer = begun
    try:
        with closing(leavable(grow, "answer")) as grown:
            for each in grown:
                answer = each or answer
                yield answer
    except NotesError as error:
        told = str(error)
        yield answer.ended(f"{told[:1].upper()}{told[1:]}.")
