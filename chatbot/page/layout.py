"""The whole page: its tabs, its theme, and how it is mounted in the server."""

import json
from pathlib import Path
from typing import Any

import gradio as gr
from gradio_client.utils import is_file_obj, traverse

from chatbot.page import actions, chat, keyboard, library, mark, models, settings, texts
from chatbot.page.render import user_html
from chatbot.page.theme import ThemeFirst
from chatbot.server import faults
from chatbot.server.api import user_of
from chatbot.service import Service

_HERE = Path(__file__).parent

# the system's own fonts: nothing to fetch, and letters people are used to
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
_MONO = ("ui-monospace", "Menlo", "Consolas", "Noto Sans Mono", "monospace")

#: Events of the page that are worked on at once, an answer that waits for its turn being one.
_AT_ONCE = 256
#: Open pages whose conversation is kept in memory, 0.2 MB each; one that was forgotten begins a new conversation.
_SESSIONS = 500


class _Page(gr.Blocks):
    """A page that takes no files: Gradio, when it is mounted, copies any file that an event names into the folder that
    it serves. And one whose faults are told without the words of the person, which Gradio would print."""

    async def process_api(self, block_fn: Any, inputs: list[Any], *args: Any, **options: Any) -> dict[str, Any]:
        try:
            traverse(inputs, _refuse, is_file_obj)
            return await super().process_api(block_fn, inputs, *args, **options)
        except gr.Error as error:
            error.print_exception = False  # it is shown on the page
            raise
        except Exception as error:  # any fault in any handler
            faults.tell(error)
            raise gr.Error(texts.FAULT, print_exception=False) from error


def _refuse(_: Any) -> None:
    raise gr.Error(texts.NO_FILES)


def create(service: Service) -> gr.Blocks:
    """The page, to be mounted in a server."""
    with _Page(title=texts.TITLE, analytics_enabled=False, fill_width=True) as page:
        with gr.Row(elem_id="top"):
            masthead = gr.HTML(elem_id="masthead")
            mark.build(page)
            user = gr.HTML(elem_id="user")
        page.load(_user, None, user, show_progress="hidden", api_visibility="private")
        timer = gr.Timer(active=False)  # in a tab it would rest as long as another one is open
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(texts.ASK, id="ask", elem_id="ask"):
                asking = chat.build(page, service, masthead)
            with gr.Tab(texts.LIBRARY, id="library", elem_id="library") as tab:
                library.build(page, service, library.Around(tabs, tab, timer, asking))
            with gr.Tab(texts.MODELS) as tab:
                models.build(tab, service)
            with gr.Tab(texts.SETTINGS) as tab:
                settings.build(tab, service)
    page.state_session_capacity = _SESSIONS
    page.max_threads = _AT_ONCE
    page.queue()  # anew, with these
    return page


def _user(request: gr.Request) -> str:
    return user_html(actions.user_of(request))


def _theme() -> gr.themes.Base:
    """Gradio's Soft, with labels, hints, buttons and tabs that stand out enough to be read by everybody (WCAG AA)."""
    return gr.themes.Soft(primary_hue="teal", neutral_hue="slate", font=_FONT, font_mono=_MONO).set(
        background_fill_primary="*neutral_50",  # as Soft has it: `set` forgets it
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_padding="0",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
        checkbox_label_background_fill_selected="*primary_700",
        checkbox_label_background_fill_selected_dark="*primary_700",
        color_accent="*primary_700",
    )


def mount_page(server: Any, service: Service) -> Any:
    """The server with the page at `/`."""
    server.add_middleware(ThemeFirst)
    script = f"const COPIED = {json.dumps(texts.COPIED)};\n{(_HERE / 'page.js').read_text(encoding='utf-8')}"
    return gr.mount_gradio_app(
        server,
        create(service),
        path="/",
        theme=_theme(),
        css_paths=[_HERE / "page.css"],
        head=f"<script>{script}{keyboard.script()}</script>",
        footer_links=[],
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size=0,
        auth_dependency=user_of,
    )
