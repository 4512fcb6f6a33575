"""`make bench`: quality of retrieval and speed, each against a baseline of the same run.

Three things lie outside the repository and are left out where they are not there: the notes that the questions were
first written for (--notes), a folder with SQuAD 2.0 and Cranfield (--data), and one of real HTML pages (--pages).
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chatbot.answer import Assistant
from ingest.pipeline import ingest
from knowledge.store import Store
from tests.benchmarks import conversations, engines, finetune, grounding, intents, load, public_sets, speed
from tests.benchmarks import ingest as ingesting
from tests.benchmarks.answers import score
from tests.benchmarks.growth import growth
from tests.benchmarks.retrieval import compare
from tests.conftest import NOTES, ROOT, make_settings, questions

MODELS = ROOT / ".home" / "models"


def main() -> None:
    arguments = _arguments()
    for name, path in (("the shipped notes", NOTES), ("the original notes", arguments.notes)):
        _print(f"questions over {name}", path, lambda path=path: _answers(path))
    _print("one query", MODELS, lambda: iter([speed.one_query(MODELS)]))
    _print("one reply", MODELS, lambda: engines.gpt4all(MODELS))
    _print("one model, many people", MODELS, lambda: load.load(MODELS))
    _print("a step of training", MODELS, lambda: iter([finetune.steps(MODELS)]))
    for benchmark, file in ((public_sets.squad, "squad2_16_articles.json"), (public_sets.cranfield, "cranfield.docs")):
        path = arguments.data / file
        _print(benchmark.__name__, path, lambda run=benchmark: run(arguments.data, MODELS))
    clinc = arguments.data / "clinc150_train_val.json"
    _print("intents, CLINC150", clinc, lambda: intents.clinc(arguments.data, MODELS))
    _print("ingest of pages", arguments.pages, lambda: ingesting.real_pages(arguments.pages, MODELS))
    _print("ingest of unchanged files", MODELS, lambda: ingesting.unchanged_files(MODELS))
    _print("growth of the store", MODELS, growth)


def _arguments() -> argparse.Namespace:
    shared = ROOT.parent / "shared"
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--notes", type=Path, default=shared / "notes" / "notes.md")
    parser.add_argument("--data", type=Path, default=shared / "data")
    # where Debian's python3-doc puts them
    parser.add_argument("--pages", type=Path, default=Path("/usr/share/doc/python3/html"))
    return parser.parse_args()


def _print(name, needed, run) -> None:
    print(name)
    if not needed.exists():
        print(f"  left out, {needed} is not here")
        return
    for line in run():
        print(f"  {line}", flush=True)


def _answers(notes: Path) -> Iterator[str]:
    asked = [entry for entry in questions() if entry.get("answerable", True)]
    with tempfile.TemporaryDirectory() as home:
        settings = make_settings(Path(home), MODELS)
        store = Store(settings)
        ingest(store, settings, [notes])
        yield f"{len(asked)} questions"
        yield from map(str, compare(store, asked))
        yield str(score(Assistant(store, settings, "extract"), questions()))
        if notes == NOTES:
            yield str(conversations.score(Assistant(store, settings, "extract"), questions("conversations")))
            yield from map(str, grounding.score(store.similarity, questions("grounding")))
            yield speed.search(settings.home, store, [entry["q"] for entry in asked])
            yield speed.extract_answer(store, settings, [entry["q"] for entry in asked[:40]])
            yield speed.cold_search(settings.home)
        store.close()


# the processes that measure memory import this module again
if __name__ == "__main__":
    main()
