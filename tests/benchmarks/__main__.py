"""`make bench`: quality of retrieval and speed, each against a baseline of the same run.

Two things lie outside the repository and are left out where they are not there: the notes that the questions were
first written for (--notes) and a folder with SQuAD 2.0 and Cranfield (--data).
"""

import argparse
import tempfile
from pathlib import Path

from chatbot.answer import Assistant
from ingest.pipeline import ingest
from knowledge.store import Store
from tests.benchmarks import public_sets, speed
from tests.benchmarks.answers import score
from tests.benchmarks.retrieval import compare
from tests.conftest import NOTES, ROOT, make_settings, questions

parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
parser.add_argument("--notes", type=Path, default=ROOT.parent / "shared" / "notes" / "notes.md")
parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
arguments = parser.parse_args()
models = ROOT / ".home" / "models"

asked = [entry for entry in questions() if entry.get("answerable", True)]
for name, path in (("the shipped notes", NOTES), ("the original notes", arguments.notes)):
    if not path.exists():
        print(f"{name}: left out, {path} is not here")
        continue
    with tempfile.TemporaryDirectory() as home:
        settings = make_settings(Path(home), models)
        store = Store(settings)
        ingest(store, settings, [path])
        print(f"{len(asked)} questions over {name}", *compare(store, asked), sep="\n  ")
        print(f"  {score(Assistant(store, settings, 'extract'), questions())}")
        if path == NOTES:
            print(f"  {speed.extract_answer(store, settings, [entry['q'] for entry in asked[:40]])}")
            print(f"  {speed.cold_search(settings.home)}")
        store.close()
with tempfile.TemporaryDirectory() as home:
    print(f"  {speed.unchanged_ingest(make_settings(Path(home), models), [NOTES])}")
print(f"  {speed.one_query(models)}")
for benchmark, file in ((public_sets.squad, "squad2_16_articles.json"), (public_sets.cranfield, "cranfield.docs")):
    if (arguments.data / file).exists():
        print(*benchmark(arguments.data, models), sep="\n  ")
    else:
        print(f"{benchmark.__name__}: left out, {arguments.data / file} is not here")
