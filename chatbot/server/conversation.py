"""Conversations of clients that keep them themselves, and send all earlier questions with each new one."""

import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import closing

import anyio.to_thread

from chatbot.answer import Answer, Assistant
from knowledge.errors import NotesError

#: Answers that are remembered, so that the earlier questions of a conversation are not asked again.
_REMEMBERED = 256


class Conversations:
    """Answers questions at the end of conversations. May be shared between threads, and between users: an answer
    depends on the questions and the notes alone, and the notes are everybody's."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._answers: OrderedDict[tuple[str, ...], Answer] = OrderedDict()
        self._lock = threading.Lock()

    def stream(self, question: str, after: Sequence[str] = (), asker: str = "") -> Generator[Answer]:
        """The answer to a question asked after others, as `Assistant.stream` yields it."""
        with closing(self._assistant.stream(question, self._turns(tuple(after)), asker=asker)) as answers:
            for answer in answers:
                yield answer
        self._remember((*after, question), answer)

    def _turns(self, questions: tuple[str, ...]) -> list[Answer]:
        """The answers to the earlier questions; one that is not remembered is found again, without the language model:
        only what it cited counts, and one that cannot be asked cited nothing."""
        turns: list[Answer] = []
        for number, question in enumerate(questions, start=1):
            asked = questions[:number]
            with self._lock:
                answer = self._answers.get(asked)
            if answer is None:
                try:
                    *_, answer = self._assistant.stream(question, turns, quoted=True)
                except NotesError:  # such as a filter that cannot be; told when it was the last question
                    answer = Answer(question)
                else:
                    self._remember(asked, answer)
            turns.append(answer)
        return turns

    def _remember(self, asked: tuple[str, ...], answer: Answer) -> None:
        with self._lock:
            self._answers[asked] = answer
            self._answers.move_to_end(asked)
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)


async def following(answers: Generator[Answer]) -> AsyncGenerator[Answer]:
    """The answer as it grows. When the reader leaves, the work behind it ends."""
    try:
        while (answer := await anyio.to_thread.run_sync(next, answers, None)) is not None:
            yield answer
    finally:
        answers.close()
