"""The whole page: its tabs, its theme, and how it is mounted in the server."""

from pathlib import Path
from typing import Any

import gradio as gr

from chatbot.page import chat
from chatbot.page.texts import TITLE
from chatbot.service import Service

_HERE = Path(__file__).parent

# the system's own fonts: nothing to fetch, and letters people are used to
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
_MONO = ("ui-monospace", "Menlo", "Consolas", "Noto Sans Mono", "monospace")


def create(service: Service) -> gr.Blocks:
    """The page, to be mounted in a server."""
    with (
        gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page,
        gr.Tabs(elem_id="tabs"),
        gr.Tab("Ask"),
    ):
        chat.build(page, service)
    return page


def mount_page(server: Any, service: Service) -> Any:
    """The server with the page at `/`."""
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    return gr.mount_gradio_app(
        server,
        create(service),
        path="/",
        theme=gr.themes.Soft(primary_hue="teal", neutral_hue="slate", font=_FONT, font_mono=_MONO),
        css_paths=[_HERE / "page.css"],
        head=f"<script>{script}</script>",
        footer_links=[],
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size=0,
    )
