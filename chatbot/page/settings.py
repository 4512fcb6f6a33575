"""The tab "Settings": the few that matter, kept in `config.toml`."""

from collections.abc import Generator
from html import escape
from typing import Any

import gradio as gr

from chatbot.page import texts
from chatbot.service import Service
from knowledge.errors import NotesError
from knowledge.settings import Refused, Settings, changed, checked

_WHOLE = ("answer_seconds", "max_file_mb")


def build(tab: gr.Tab, service: Service) -> None:
    """Put the tab together; it is filled when it is opened."""
    with gr.Column(elem_id="settings"):
        theme = gr.Radio(
            texts.THEMES, value="system", label=texts.THEME, info=texts.THEME_INFO, elem_id="theme", interactive=True
        )
        fields = {key: _field(key) for key in texts.FIELDS}
        save = gr.Button(texts.SAVE, variant="primary", elem_id="save")
        said = gr.HTML(elem_id="saved")
        elsewhere = gr.HTML(elem_id="elsewhere")
        gr.Button(texts.SHOW_KEYS, size="sm", elem_id="show-keys")

    def opened() -> tuple[Any, ...]:
        settings = service.settings
        told = texts.elsewhere(escape(str(settings.config)), escape(settings.embedding_model))
        return "", *(_filled(key, settings) for key in fields), told

    def saved(*given: Any) -> Generator[tuple[Any, ...], None, None]:
        yield f'<p role="status">{texts.SAVING}</p>', *[gr.skip()] * len(fields)
        yield keep(service, dict(zip(fields, given, strict=True)))

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    tab.select(opened, None, [said, *fields.values(), elsewhere], **quiet)
    tab.select(None, None, theme, js="() => localStorage.getItem('theme') || 'system'", **quiet)
    theme.input(None, theme, None, js="(choice) => window.chooseTheme(choice)", **quiet)
    save.click(saved, list(fields.values()), [said, *fields.values()], **quiet)


def _field(key: str) -> Any:
    label, info = texts.FIELDS[key]
    common: dict[str, Any] = {"label": label, "info": info, "elem_id": f"set-{key}", "interactive": True}
    kind = Settings.__annotations__[key]
    if key == "engine":
        return gr.Radio(texts.ENGINE_CHOICES, **common)
    if key == "model":
        return gr.Dropdown([], allow_custom_value=True, **common)
    if kind is bool:
        return gr.Checkbox(**common)
    if kind is int:
        return gr.Number(precision=0, **common)
    return gr.Textbox(type="password" if key == "openai_key" else "text", max_length=4096, **common)


def _filled(key: str, settings: Settings) -> Any:
    """A field with the value that holds; the key is not sent."""
    value = getattr(settings, key)
    update = {"value": value, "info": texts.FIELDS[key][1], "elem_classes": []}
    if key == "openai_key":
        update["value"] = ""
    elif key == "allow_private_hosts":
        update["value"] = ", ".join(value)
    elif key == "model":
        update["choices"] = sorted({value, *(file.name for file in settings.models.glob("*.gguf"))})
    return gr.update(**update)


def keep(service: Service, given: dict[str, Any]) -> tuple[Any, ...]:
    """Save what has changed, all or nothing. What is told, and the fields, one that cannot be with the reason."""
    changes, refusals = _changes(service.settings, given)
    told = ""
    if changes and not refusals:
        try:
            service.change(changes)
        except Refused as error:
            refusals[error.key] = str(error)
        except NotesError as error:
            told = str(error)
    if refusals or told:
        lines = "<br>".join(map(escape, [texts.NOT_SAVED, *refusals.values(), *filter(None, [told])]))
        return f'<p role="alert" class="refused">{lines}</p>', *(_refused(refusals.get(key)) for key in given)
    done = texts.SAVED if changes else texts.NOTHING_TO_SAVE
    return f'<p role="status">{done}</p>', *(_filled(key, service.settings) for key in given)


def _refused(reason: str | None) -> Any:
    return gr.update(info=reason, elem_classes=["refused"]) if reason else gr.update(elem_classes=[])


def _changes(settings: Settings, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings that are to be others, and the reasons why some cannot be."""
    changes: dict[str, Any] = {}
    refusals: dict[str, str] = {}
    for key, value in given.items():
        try:
            value = _read(key, value)
            if getattr(changed(settings, {key: value}), key) != getattr(settings, key):
                changes[key] = value
        except Refused as error:
            refusals[key] = str(error)
    if not given["openai_key"]:
        changes.pop("openai_key", None)
    return changes, refusals


def _read(key: str, value: Any) -> Any:
    """What a field holds as a setting; None, the default, where it is empty."""
    if key in _WHOLE:
        if value is None:
            raise Refused(key, f"{key}: {texts.NO_NUMBER}")
        return checked(key, int(value))
    if key == "allow_private_hosts":
        return tuple(filter(None, (host.strip() for host in value.split(","))))
    if isinstance(value, str):
        return value.strip() or None
    return value
