"""The offline mark, above every tab: whether anything has left this computer, and where to."""

from datetime import datetime
from html import escape
from typing import Any

import gradio as gr

from chatbot.page.texts import OFFLINE_COUNTED, offline_mark, reached
from knowledge.offline import Outside, outside

_SECONDS = 5


def build(page: gr.Blocks) -> None:
    """Put the mark on the page; it looks again every few seconds."""
    mark = gr.HTML(elem_id="mark", apply_default_css=False)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
    for event in (page.load, gr.Timer(_SECONDS).tick):
        event(_renewed, mark, mark, **quiet)


def _renewed(shown: str) -> Any:
    """The mark where it has changed; drawn again it would fold up under the reader's eyes."""
    now = mark_html(outside())
    return gr.skip() if now == shown else now


def mark_html(counted: Outside) -> str:
    """In a line, with the list of hosts below it on a click."""
    hosts = counted.hosts.most_common()
    lookups = sum(1 for _, connections in hosts if not connections)
    told = offline_mark(counted.connections, lookups, _moment(counted.since))
    listed = "".join(f"<li>{escape(host)}: {reached(connections)}</li>" for host, connections in hosts)
    kind = "outside" if hosts else "offline"
    return (
        f'<details class="{kind}"><summary>{told}</summary><p>{OFFLINE_COUNTED}</p>'
        + (f"<ul>{listed}</ul>" if listed else "")
        + "</details>"
    )


def _moment(since: datetime) -> str:
    return f"{since:%H:%M}" if since.date() == datetime.now().date() else f"{since.day} {since:%B, %H:%M}"
