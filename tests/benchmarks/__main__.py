"""`make bench`: quality of retrieval and speed, each against a baseline of the same run.

python -m tests.benchmarks [NOTES.md]    NOTES.md: the notes that the questions were first written for
"""

import argparse
import tempfile
from pathlib import Path

from ingest.pipeline import ingest
from knowledge.store import Store
from tests.benchmarks import speed
from tests.benchmarks.retrieval import compare
from tests.conftest import NOTES, ROOT, make_settings, questions

parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
parser.add_argument("notes", nargs="?", type=Path, default=ROOT.parent / "shared" / "notes" / "notes.md")
original = parser.parse_args().notes
models = ROOT / ".home" / "models"

asked = [entry for entry in questions() if entry.get("answerable", True)]
for name, path in (("the shipped notes", NOTES), ("the original notes", original)):
    if not path.exists():
        print(f"{name}: left out, {path} is not here")
        continue
    with tempfile.TemporaryDirectory() as home:
        settings = make_settings(Path(home), models)
        store = Store(settings)
        ingest(store, settings, [path])
        print(f"{len(asked)} questions over {name}", *compare(store, asked), sep="\n  ")
        if path == NOTES:
            print(f"  {speed.extract_answer(store, settings, [entry['q'] for entry in asked[:40]])}")
            print(f"  {speed.cold_search(settings.home)}")
        store.close()
with tempfile.TemporaryDirectory() as home:
    print(f"  {speed.unchanged_ingest(make_settings(Path(home), models), [NOTES])}")
print(f"  {speed.one_query(models)}")
