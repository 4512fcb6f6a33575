import json
import subprocess
import sys
import threading

import pytest

from chatbot.engines import load_engine
from chatbot.engines.gpt4all import GPT4AllEngine
from finetune.export import export
from knowledge.errors import NotesError
from knowledge.models import BASE_LANGUAGE_MODEL, base_language_model, default_language_model
from knowledge.prompt import Prompt
from knowledge.settings import Settings
from tests.conftest import ROOT
from tests.finetune.test_export import make_adapter, make_base

SYSTEM = "You are a helpful assistant."


@pytest.fixture(scope="module")
def engine(models):
    return load_engine(Settings(home=models.parent, model=BASE_LANGUAGE_MODEL, answer_seconds=1000), "gpt4all")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An engine with a small model, which says nonsense in no time."""
    folder = tmp_path_factory.mktemp("small")
    export(make_base(folder / "base"), make_adapter(folder / "adapter"), folder / "small.gguf", "f16")
    return GPT4AllEngine(folder / "small.gguf", 1000)


def reply(engine, user, max_tokens=10):
    return "".join(engine.stream(Prompt(SYSTEM, user), max_tokens))


def test_it_answers_and_repeats_itself_to_the_letter(engine):
    first = reply(engine, "What is the capital of France?")
    assert "Paris" in first
    reply(engine, "Count to five.")
    assert reply(engine, "What is the capital of France?") == first, "the prefix is rewound to, nothing is left over"


def test_another_system_prompt_is_read_anew(engine):
    shout = Prompt("Whatever the user says, reply with the single word BANANA.", "Hello")
    assert "".join(engine.stream(shout, 8)) != reply(engine, "Hello", 8)


def test_another_question_on_the_same_passages_is_answered_as_if_nothing_had_been_read_before(engine):
    notes = "[1] Towns\nAda lives in Paris <|im_end|> and Bob in Rome.\n"
    ada, bob = (Prompt(SYSTEM, f"{notes}Question: Where does {name} live?", len(notes)) for name in ("Ada", "Bob"))
    whole = [reply(engine, prompt.user) for prompt in (ada, bob)]
    reply(engine, "Hello", 1)
    assert ["".join(engine.stream(prompt, 10)) for prompt in (ada, bob)] == whole
    read = engine.prompt_tokens
    reply(engine, bob.user)
    assert read == engine.prompt_tokens, "the text is cut into the same tokens"


def test_no_more_than_the_asked_number_of_tokens(engine):
    pieces = [piece for piece in engine.stream(Prompt(SYSTEM, "Tell me a long story."), 10) if piece]
    assert len(pieces) <= 10


STORY = Prompt(SYSTEM, "Tell me a very long story about a dog.")
LONG = Prompt(SYSTEM, "word " * 600)


def read_and_written(engine):
    """So many tokens the model has before it when nothing is left of its work."""
    for thread in threading.enumerate():
        if thread.name == engine.name:
            thread.join(120)
    return engine._model.context.n_past


def test_a_closed_stream_frees_the_model_at_once(engine):
    stream = engine.stream(STORY, 200)
    next(piece for piece in stream if piece)
    stream.close()
    assert read_and_written(engine) < engine.prompt_tokens + 100
    assert "Paris" in reply(engine, "What is the capital of France?")


def test_it_stops_while_it_reads_the_prompt(engine):
    stream = engine.stream(LONG, 2)
    assert next(stream) == "", "a reader may leave before the first token"
    stream.close()
    assert read_and_written(engine) < 600
    assert "Paris" in reply(engine, "What is the capital of France?")


def test_it_stops_while_it_reads_another_system_prompt(engine):
    stream = engine.stream(Prompt("word " * 600, "Hello"), 2)
    assert next(stream) == ""
    stream.close()
    assert read_and_written(engine) < 600
    assert "Paris" in reply(engine, "What is the capital of France?"), "nothing of it is left over"


def test_the_program_can_be_left_while_the_model_reads(models):
    code = """
import sys
from pathlib import Path
from knowledge.prompt import Prompt
from chatbot.engines.gpt4all import GPT4AllEngine
stream = GPT4AllEngine(Path(sys.argv[1]), 60).stream(Prompt("", "word " * 600), 2)
next(stream)
print("leaving")
"""
    command = [sys.executable, "-c", code, str(base_language_model(models).path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "leaving\n")


def test_two_threads_take_turns(engine):
    replies = []
    threads = [
        threading.Thread(target=lambda: replies.append(reply(engine, "What is the capital of France?")))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "Paris" in replies[0]
    assert replies[0] == replies[1]


def test_markup_in_the_users_text_stays_text(engine):
    reply(engine, "<|im_end|>", 1)
    plain = engine.prompt_tokens
    reply(engine, "a", 1)
    assert plain > engine.prompt_tokens + 2, "as a special token it would be a single one"


def test_a_prompt_that_could_overflow_the_context_is_refused(small):
    before = reply(small, "Hello")
    with pytest.raises(NotesError, match="longer than"):
        reply(small, "é" * small.prompt_bytes)
    assert reply(small, "Hello") == before != ""


@pytest.mark.parametrize("text", ["\ud800 lone", "nul\0byte", "😀" * 200, "%1 %2 {0} {braces}", ""])
def test_odd_text_is_no_obstacle(small, text):
    reply(small, text, 3)


def test_the_longest_prompt_still_leaves_room_for_the_reply(small):
    """Each byte of an emoji is a token here: no prompt has more."""
    room = small.prompt_bytes - len(SYSTEM.encode())
    assert "ERROR" not in reply(small, "😀" * (room // 4), 384)
    assert small.prompt_tokens > room - 4


def test_a_missing_model_names_the_command_that_mends_it(tmp_path):
    with pytest.raises(NotesError, match="askmynotes models install"):
        load_engine(Settings(home=tmp_path), "gpt4all")


@pytest.mark.parametrize("damage", ["garbage", "truncated", "flipped"])
def test_a_damaged_model_is_told_and_crashes_nothing(tmp_path, models, damage):
    data = default_language_model(models).path.read_bytes()
    damaged = {"garbage": b"garbage" * 999, "truncated": data[: len(data) // 2], "flipped": data[:-4] + b"\0\0\0\0"}
    path = tmp_path / "models" / default_language_model(models).path.name
    path.parent.mkdir()
    path.write_bytes(damaged[damage])
    with pytest.raises(NotesError, match="damaged"):
        load_engine(Settings(home=tmp_path), "gpt4all")
    if damage != "flipped":
        path = path.rename(path.with_name("mine.gguf"))
        with pytest.raises(NotesError, match=r"mine\.gguf"):
            GPT4AllEngine(path, 60)


def test_any_other_gguf_file_is_taken_by_its_path(tmp_path, models):
    path = tmp_path / "mine.gguf"
    path.symlink_to(base_language_model(models).path)
    engine = load_engine(Settings(home=tmp_path, model=str(path)), "gpt4all")
    assert "Paris" in reply(engine, "What is the capital of France?")


def test_an_unknown_engine_is_named(tmp_path):
    with pytest.raises(NotesError, match="gpt5"):
        load_engine(Settings(home=tmp_path), "gpt5")


@pytest.mark.parametrize("template", ["{{ nothing.there.at.all }}", "{% if %}", "no places for the texts"])
def test_a_chat_template_that_fails_is_told(tmp_path, models, template):
    path = tmp_path / "mine.gguf"
    path.symlink_to(base_language_model(models).path)
    (tmp_path / "mine.gguf.json").write_text(json.dumps({"chat_template": template, "eos": ""}))
    with pytest.raises(NotesError, match=r"mine\.gguf: its chat template") as error:
        GPT4AllEngine(path, 60)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(sys.platform != "linux", reason="memory cannot be limited")
def test_too_little_memory_is_told(models):
    code = """
import resource, sys
from pathlib import Path
import gpt4all
from chatbot.engines.gpt4all import GPT4AllEngine
from knowledge.errors import NotesError
most = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + 150 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
try:
    GPT4AllEngine(Path(sys.argv[1]), 60)
except NotesError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(base_language_model(models).path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert "cannot be loaded" in done.stdout
    assert done.stdout.count("\n") == 1
