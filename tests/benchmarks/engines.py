"""Speed of the gpt4all engine, as ratios against GPT4All itself on the same prompts in the same run."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gpt4all import GPT4All

from chatbot.engines.gpt4all import GPT4AllEngine
from knowledge.prompt import SYSTEM_PROMPT, Prompt
from knowledge.settings import DEFAULT_LANGUAGE_MODEL
from tests.benchmarks.speed import ratio

_MAX_TOKENS = 32
_SYSTEM_TEMPLATE = "<|im_start|>system\n{}<|im_end|>\n"
_TURN_TEMPLATE = "<|im_start|>user\n{0}<|im_end|>\n<|im_start|>assistant\n{1}"
_NOTES = """[1] Watering bees
Bees need clean water within two hundred metres of the hive in summer.
A shallow dish with pebbles keeps them from drowning.
Change the water every third day, or mosquitoes breed in it.
In winter they take what condenses inside the hive.
"""
_QUESTIONS = (
    "How often is the water changed?",
    "How near must the water be?",
    "What keeps the bees from drowning?",
    "What do they drink in winter?",
    "What breeds in old water?",
    "What lies in the shallow dish?",
)


def gpt4all(models: Path) -> Iterator[str]:
    """First token and whole reply over those of `GPT4All.generate`, and another question on the same passages over a
    fresh prompt.

    GPT4All is given what the engine reads, in its largest batches and without sampling: the same text comes out.
    """
    engine = GPT4AllEngine(models / DEFAULT_LANGUAGE_MODEL, 600)
    plain = GPT4All(
        DEFAULT_LANGUAGE_MODEL, model_path=models, allow_download=False, n_ctx=4096, n_threads=os.cpu_count()
    )
    times: dict[str, list[tuple[float, float, str]]] = {"plain": [], "fresh": [], "follow-up": []}
    for number, question in enumerate(_QUESTIONS):
        fresh, other = (
            Prompt(f"{SYSTEM_PROMPT}\n\nDay {number}.", f"{_NOTES}Question: {each}", len(_NOTES))
            for each in (question, _QUESTIONS[number - 1])
        )
        times["plain"].append(timed(lambda prompt=fresh: generate(plain, prompt, _MAX_TOKENS)))
        times["fresh"].append(timed(lambda prompt=fresh: engine.stream(prompt, _MAX_TOKENS)))
        times["follow-up"].append(timed(lambda prompt=other: engine.stream(prompt, _MAX_TOKENS)))
    same = sum(ours[2] == theirs[2] for ours, theirs in zip(times["fresh"], times["plain"], strict=True))
    yield f"{same} of {len(_QUESTIONS)} replies are GPT4All's to the letter"
    for index, what in enumerate(("first token", "whole reply")):
        for ours, baseline in (("fresh", "plain"), ("follow-up", "plain"), ("follow-up", "fresh")):
            columns = ([time[index] for time in times[name]] for name in (ours, baseline))
            yield ratio(f"{what}, {ours}", next(columns), "GPT4All" if baseline == "plain" else baseline, next(columns))


def generate(model: GPT4All, prompt: Prompt, max_tokens: int) -> Iterable[str]:
    """The reply of plain GPT4All, as it comes."""
    options = {"temp": 0.0, "top_k": 1, "repeat_penalty": 1.0, "n_batch": 128, "max_tokens": max_tokens}
    with model.chat_session(_SYSTEM_TEMPLATE.format(prompt.system), _TURN_TEMPLATE):
        yield from model.generate(prompt.user, streaming=True, **options)


def timed(reply: Callable[[], Iterable[str]]) -> tuple[float, float, str]:
    """Seconds to the first piece and to the last one, and the text."""
    started = time.perf_counter()
    first = None
    text = ""
    for piece in reply():
        first = first or (time.perf_counter() - started if piece else None)
        text += piece
    return first or 0.0, time.perf_counter() - started, text
