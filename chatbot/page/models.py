"""The tab "Models": what is here, which of it answers, and how more gets here."""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import gradio as gr

from chatbot.install_job import InstallJob
from chatbot.page import texts
from chatbot.page.chat import LIST_SCRIPT
from chatbot.page.curve import curve_svg
from chatbot.service import Service
from knowledge.errors import NotesError
from knowledge.models import InstalledModel, installed
from knowledge.settings import DEFAULT_LANGUAGE_MODEL, Settings

_AT_ONCE = 8


def build(tab: gr.Tab, service: Service) -> None:
    """Put the tab together; it is drawn when it is opened."""
    job = InstallJob(service.settings.models)
    said = gr.HTML(elem_id="model-said")
    listing = gr.HTML(elem_id="models", js_on_load=LIST_SCRIPT, apply_default_css=False)
    with gr.Row(equal_height=False):
        wanted = gr.Textbox(label=texts.WANTED, info=texts.WANTED_INFO, elem_id="wanted", max_length=4096, scale=4)
        with gr.Column(scale=1, min_width=220):
            install = gr.Button(texts.INSTALL, variant="primary", size="sm", elem_id="install")
            defaults = gr.Button(texts.INSTALL_DEFAULTS, size="sm", elem_id="install-defaults")
            cancel = gr.Button(texts.CANCEL, size="sm", elem_id="cancel-install", interactive=False)
    progress = gr.HTML(elem_id="install-progress")

    def follow() -> Generator[tuple[Any, ...], None, None]:
        """The models, and an installation as it goes on."""
        while job.running:
            yield gr.skip(), progress_html(job), *_enabled(running=True)
            time.sleep(0.3)
        yield models_html(service.settings), progress_html(job), *_enabled(running=False)

    def begin(wanted: str) -> Generator[tuple[Any, ...], None, None]:
        if wanted.strip():
            job.start(wanted.strip())
        yield from follow()

    def begin_defaults() -> Generator[tuple[Any, ...], None, None]:
        job.start("")
        yield from follow()

    def picked(event: gr.SelectData) -> Generator[tuple[Any, ...], None, None]:
        yield from use(service, event.value)

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": _AT_ONCE}
    following = {**quiet, "outputs": [listing, progress, install, defaults, cancel]}
    tab.select(follow, None, **following)
    install.click(begin, wanted, **following)
    wanted.submit(begin, wanted, **following)
    defaults.click(begin_defaults, None, **following)
    cancel.click(job.stop, None, None, queue=False, show_progress="hidden", api_visibility="private")
    listing.select(picked, None, [said, listing], **quiet)


def _enabled(running: bool) -> tuple[Any, ...]:
    """Whether the buttons to install, to install the default models and to cancel can be pressed."""
    return *[gr.update(interactive=not running)] * 2, gr.update(interactive=running)


def use(service: Service, name: str) -> Generator[tuple[Any, ...], None, None]:
    """Answer with what `finetune use` takes from now on; what is told, and the models."""
    from finetune.use import chosen

    yield _status(texts.loading(name)), gr.skip()
    try:
        service.change(chosen(service.settings, name))
        told = texts.answers_next(name)
    except NotesError as error:
        told = f"{str(error)[:1].upper()}{str(error)[1:]}."
    yield _status(told), models_html(service.settings)


def _status(told: str) -> str:
    return f'<p role="status">{escape(told)}</p>' if told else ""


def progress_html(job: InstallJob) -> str:
    bar = f'<progress max="1" value="{job.share:.3f}" aria-label="{texts.INSTALL}"></progress>' if job.running else ""
    return bar + _status(job.line)


# -- what is here ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Row:
    """Something that can answer, or finds passages. `use` is what choosing it is called, empty where it cannot be."""

    kind: str
    name: str
    facts: tuple[str, ...]
    use: str = ""
    answers: bool = False
    measured: dict[str, Any] | None = None
    curve: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def models_html(settings: Settings) -> str:
    """All that is here by kind, the one that answers marked, the others with a button to use them."""
    sections = []
    for kind, rows in groupby(_rows(settings), key=lambda row: row.kind):
        sections.append(f"<h2>{texts.SECTIONS[kind]}</h2><ul>{''.join(map(_row_html, rows))}</ul>")
        if kind == "language" and not any(settings.adapters.glob("*/adapter")):
            sections.append(f"<h2>{texts.SECTIONS['adapter']}</h2><p>{texts.NO_ADAPTERS}</p>")
    return "".join(sections)


def _rows(settings: Settings) -> Iterator[_Row]:
    from finetune.adapters import adapters

    models = installed(settings.models)
    yield from (_language(model, settings) for model in models if model.kind == "language")
    path = Path(settings.model).expanduser()
    if settings.engine == "gpt4all" and path.is_file() and settings.model not in {model.name for model in models}:
        yield _Row("language", settings.model, (_megabytes(path.stat().st_size),), answers=True)
    for adapter in adapters(settings):
        facts: tuple[str, ...] = (_megabytes(adapter.size), f"for {adapter.base}", texts.OWN_LICENCE)
        answers = settings.engine == "lora" and settings.adapter == adapter.name
        yield _Row("adapter", adapter.name, facts, adapter.name, answers, adapter.measured, adapter.curve)
    for engine, does in texts.WITHOUT_FILE.items():
        facts = (f"{does} {settings.openai_url}",) if engine == "openai" else (does,)
        yield _Row("engine", engine, facts, engine, settings.engine == engine)
    for model in models:
        if model.kind == "embedding":
            used = model.name == settings.embedding_model and not model.problem
            yield _Row("embedding", model.name, _facts(model), answers=used)


def _language(model: InstalledModel, settings: Settings) -> _Row:
    from finetune.export import measured
    from finetune.shipped import ADAPTER

    scores = model.measured or (measured(ADAPTER) if model.name == DEFAULT_LANGUAGE_MODEL else None)
    answers = settings.engine == "gpt4all" and settings.model == model.name and not model.problem
    return _Row("language", model.name, _facts(model), "" if model.problem else model.name, answers, scores)


def _facts(model: InstalledModel) -> tuple[str, ...]:
    return (model.problem,) if model.problem else (_megabytes(model.size), model.licence or texts.NO_LICENCE)


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.0f} MB"


def _row_html(row: _Row) -> str:
    name = escape(row.name)
    if row.answers:
        choice = f'<strong class="now">{texts.ANSWERS_NOW if row.kind != "embedding" else "in use"}</strong>'
    elif row.use:
        choice = (
            f'<button data-do="select" data-id="{escape(row.use)}" aria-label="{texts.USE} {name}">{texts.USE}</button>'
        )
    else:
        choice = ""
    more = (_scores_html(row.measured) if row.measured else "") + curve_svg(row.curve)
    facts = escape(" · ".join(row.facts))
    return f'<li><div class="head"><b>{name}</b>{choice}</div><p class="facts">{facts}</p>{more}</li>'


def _scores_html(measured: dict[str, Any]) -> str:
    """What `finetune evaluate` found, before and after."""
    from finetune.evaluate import MEASURES

    before, after = measured["before"], measured["after"]
    rows = "".join(
        f"<tr><td>{label}</td><td>{before.get(name, 0):.2f}</td><td>{after[name]:.2f}</td></tr>"
        for name, label in MEASURES.items()
        if name in after
    )
    told = escape(texts.tuned(str(measured["verdict"]), measured["examples"]))
    return (
        f"<details><summary>{told}</summary><table><tr><th>measure</th><th>before</th><th>after</th></tr>{rows}"
        "</table></details>"
    )
