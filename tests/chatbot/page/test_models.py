import gc
import json
import shutil
import time
import weakref
from dataclasses import replace

import pytest

from chatbot.install_job import InstallJob
from chatbot.page.curve import curve_svg
from chatbot.page.models import models_html, progress_html, use
from finetune.shipped import ADAPTER
from knowledge.models import BASE_LANGUAGE_MODEL
from knowledge.settings import DEFAULT_LANGUAGE_MODEL, load_settings
from tests.conftest import HOUSE, ScriptedEngine

QUESTION = "When is the boiler serviced?"


def told(service, name):
    *_, (said, listing) = use(service, name)
    return said, listing


def test_what_is_used_answers_the_next_question_and_after_a_restart(service, add):
    add(HOUSE)
    said, listing = told(service, "extract")
    assert "extract answers from the next question on" in said
    assert f'aria-label="Use {DEFAULT_LANGUAGE_MODEL}"' in listing
    assert service.assistant.answer(QUESTION).engine == "extract"
    assert load_settings(service.settings.home).engine == "extract"
    told(service, BASE_LANGUAGE_MODEL)
    assert service.settings.model == BASE_LANGUAGE_MODEL
    assert load_settings(service.settings.home) == service.settings


def test_a_reply_under_way_ends_with_the_engine_that_began_it_which_is_let_go_then(service, add):
    add(HOUSE)
    engine = ScriptedEngine("The boiler is serviced ", "by Hansen & Sons every October [1].")
    service.assistant.use(service.settings, engine)
    answers = service.assistant.stream(QUESTION)
    while next(answers).state != "writing":
        pass
    told(service, "extract")
    *_, answer = answers
    assert answer.engine == "scripted"
    let_go = weakref.ref(engine)
    del engine
    gc.collect()
    assert let_go() is None


def test_a_model_that_cannot_be_loaded_is_told_and_the_old_one_goes_on(service, tmp_path):
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + bytes(1000))
    said, listing = told(service, str(bad))
    assert "not a whole GGUF file" in said
    assert service.settings.model == DEFAULT_LANGUAGE_MODEL
    assert not service.settings.config.exists()
    said, _ = told(service, "nonsense")
    assert "There is no model or adapter" in said


def test_what_is_here_is_listed_with_its_size_licence_and_scores(service):
    shutil.copytree(ADAPTER, service.settings.adapters / "mine" / "adapter")
    curve = {"training": [[1, 2.0], [2, 1.5]], "validation": [[2, 1.25]]}
    (service.settings.adapters / "mine" / "training.json").write_text(json.dumps(curve))
    shown = models_html(service.settings)
    assert "138 MB · apache-2.0" in shown
    assert shown.count("answers now") == 1
    assert f"9 MB · for {BASE_LANGUAGE_MODEL}" in shown
    measured = json.loads((ADAPTER / "evaluation.json").read_text())
    assert f"Tuned: {measured['verdict']}, on {measured['examples']} held-out examples" in shown
    assert f"<td>{measured['before']['f1']:.2f}</td><td>{measured['after']['f1']:.2f}</td>" in shown
    assert "training loss 2.00 to 1.50; validation loss 1.25 to 1.25" in shown
    answering = models_html(replace(service.settings, engine="lora"))
    assert answering.index("answers now") > answering.index("<h2>Adapters")


def test_a_model_that_is_not_here_does_not_seem_to_answer(service, models):
    elsewhere = models / BASE_LANGUAGE_MODEL
    (service.settings.home / "models").unlink()
    missing = models_html(service.settings)
    assert "not installed" in missing
    assert "answers now" not in missing
    assert "answers now" in models_html(replace(service.settings, model=str(elsewhere))), "by its path"


def test_names_are_shown_as_text(service):
    name = '"><img src=x onerror=alert(1)>'
    shutil.copytree(ADAPTER, service.settings.adapters / name / "adapter")
    shown = models_html(replace(service.settings, openai_url="http://<script>"))
    assert "<img" not in shown
    assert "<script>" not in shown


def test_a_long_run_is_drawn_with_few_points():
    curve = {"training": [(step, 1.0) for step in range(1, 5001)]}
    assert 100 < len(curve_svg(curve).split('points="')[1].split('"')[0].split()) <= 240
    assert curve_svg({}) == ""


@pytest.fixture
def job(tmp_path):
    return InstallJob(tmp_path / "models")


def ended(job):
    while job.running:
        time.sleep(0.02)
    return job.line


def test_a_file_is_installed_in_the_background(job, models, tmp_path):
    assert job.start(str(models / BASE_LANGUAGE_MODEL))
    assert ended(job) == f"{BASE_LANGUAGE_MODEL} is installed."
    assert (tmp_path / "models" / BASE_LANGUAGE_MODEL).is_file()
    job.start(str(tmp_path / "missing.gguf"))
    assert "Not installed" in ended(job) and "no such file" in progress_html(job)


def test_an_installation_can_be_cancelled(job, models, tmp_path, monkeypatch):
    def refused(*paths):
        raise OSError("another disk")

    monkeypatch.setattr("os.link", refused)
    copied = job._progress

    def cancelled(done, total):
        if done:
            assert "<progress" in progress_html(job)
            job.stop()
        copied(done, total)

    monkeypatch.setattr(job, "_progress", cancelled)
    job.start(str(models / BASE_LANGUAGE_MODEL))
    assert "Stopped" in ended(job)
    assert not (tmp_path / "models" / BASE_LANGUAGE_MODEL).exists()
