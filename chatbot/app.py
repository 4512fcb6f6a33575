"""The chat page: conversations, the one that is open, and the passages that its answers rest on."""

from pathlib import Path
from typing import Any

import gradio as gr

from chatbot.actions import Actions, pages_html
from chatbot.answer import Assistant
from chatbot.library import IngestJob
from chatbot.render import conversations_html, sources_html
from knowledge.history import History
from knowledge.store import Store

CSS = Path(__file__).with_name("page.css")
TITLE = "Ask my notes"

# A citation brings its passage into view. One listener on the document: it outlives every redraw of the page.
_SCRIPT = """<script>
document.addEventListener("click", (event) => {
  const cite = event.target.closest && event.target.closest("a.cite");
  if (!cite) return;
  event.preventDefault();
  const passage = document.getElementById(cite.getAttribute("href").split("#").pop());
  if (!passage) return;
  passage.closest("details").open = true;
  document.querySelectorAll("#sources article.shown").forEach((other) => other.classList.remove("shown"));
  passage.classList.add("shown");
  const panel = document.getElementById("sources");
  if (panel.scrollHeight > panel.clientHeight) {
    const top = passage.getBoundingClientRect().top - panel.getBoundingClientRect().top + panel.scrollTop;
    panel.scrollTo({ top: top - 8, behavior: "smooth" });
  } else {
    passage.scrollIntoView({ behavior: "smooth", block: "start" });
  }
  passage.focus({ preventScroll: true });
}, true);
</script>"""

# What is clicked in the list of conversations, with the conversation that it stands for.
_LIST_SCRIPT = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  if (button) trigger(button.dataset.do, { index: 0, value: button.dataset.id });
});
"""

_HAS_ROOM = "() => window.innerWidth > 1000"

# the system's own fonts: nothing to fetch, and letters people are used to
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
_MONO = ("ui-monospace", "Menlo", "Consolas", "Noto Sans Mono", "monospace")
_EXAMPLES = 4
_AT_ONCE = 8  # conversations; the engine takes one at a time, searches need not wait


def create(assistant: Assistant, store: Store, job: IngestJob, history: History) -> gr.Blocks:
    """The page, to be mounted in a server."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        turns = gr.State([])
        current = gr.State("")
        with gr.Sidebar(width=300, open=False, elem_id="conversations") as sidebar:
            new = gr.Button("New conversation", size="sm", variant="secondary", elem_id="new")
            containing = gr.Textbox(
                label="Search conversations",
                show_label=False,
                placeholder="Search conversations …",
                elem_id="find",
                html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
            )
            listing = gr.HTML(elem_id="listing", js_on_load=_LIST_SCRIPT, apply_default_css=False)
            name = gr.Textbox(label="Rename this conversation", elem_id="name", visible=False, max_length=120)
        masthead = gr.HTML(elem_id="masthead")
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                conversation = gr.Chatbot(
                    elem_id="conversation",
                    show_label=False,
                    buttons=["copy"],
                    latex_delimiters=[],
                    layout="bubble",
                    placeholder="Ask in your own words. Every answer quotes your notes.",
                )
                reason = gr.Textbox(
                    label="What was wrong with that answer?", elem_id="reason", visible=False, max_length=500
                )
                box = gr.Textbox(
                    elem_id="question",
                    label="Ask your notes",
                    show_label=False,
                    placeholder="Ask your notes …",
                    submit_btn=True,
                    stop_btn=False,
                    autofocus=True,
                    max_length=2000,
                    html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
                )
                with gr.Accordion("Articles that your notes link to", open=False, elem_id="articles"):
                    pages = gr.HTML(elem_id="pages")
                    with gr.Row():
                        fetch = gr.Button("Fetch them from the web", size="sm", elem_id="fetch")
                        leave = gr.Button("Stop", size="sm", elem_id="leave", interactive=False)
            with gr.Column(scale=2, min_width=320):
                sources = gr.HTML(sources_html([]), elem_id="sources")

        actions = Actions(assistant, store, job, history)
        outputs = [box, conversation, sources, turns, current, listing]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        at_once = {**quiet, "queue": False}
        # queued: else Gradio does not tell that a state has changed
        answering = {**quiet, "outputs": outputs, "concurrency_limit": _AT_ONCE}
        box.submit(actions.respond, [box, turns, current, containing], **answering)
        conversation.example_select(_example, None, box, **quiet).then(
            actions.respond, [box, turns, current, containing], **answering
        )
        conversation.retry(actions.again, [turns, current, containing], **answering)
        conversation.undo(actions.edit, turns, [box, conversation, sources, turns], **quiet)
        conversation.like(actions.rate, [turns, current], reason, **quiet)
        reason.submit(actions.explain, [current, reason], reason, **quiet)
        box.stop(actions.stop, None, None, **at_once)
        new.click(actions.start_over, containing, **answering)
        listing.select(actions.picked, containing, **answering)
        listing.delete(actions.delete, [current, containing], **answering)
        listing.undo(actions.restore, containing, **answering)
        current.change(actions.named, current, name, **at_once)
        name.submit(actions.rename, [current, name, containing], listing, **at_once)
        containing.change(actions.search, [current, containing], listing, **at_once)
        fetch.click(actions.fetch_articles, None, [pages, fetch, leave], concurrency_limit=_AT_ONCE, **quiet)
        leave.click(job.stop, None, None, queue=False, **quiet)
        page.load(
            lambda: (*_opened(store), pages_html(store, job.line), conversations_html(history.conversations(), "")),
            None,
            [masthead, conversation, pages, listing],
            **quiet,
        )
        # the list is open where there is room beside the conversation; elsewhere it leaves when one is opened
        room = gr.Checkbox(visible=False)
        fitting = {"inputs": room, "outputs": sidebar, "js": _HAS_ROOM, **quiet}
        page.load(lambda wide: gr.update(open=True) if wide else gr.skip(), **fitting)
        for event in (new.click, listing.select):
            event(lambda wide: gr.update(open=wide), **fitting)
    return page


def _example(event: gr.SelectData) -> str:
    return event.value["text"]


def _opened(store: Store) -> tuple[str, Any]:
    documents, chunks = store.counts()
    held = f"{chunks} passages from {documents} documents" if chunks else "nothing is indexed yet"
    masthead = f"<h1>{TITLE}</h1><p>{held} · everything stays on this computer</p>"
    return masthead, gr.update(examples=[{"text": text} for text in examples(store)])


def examples(store: Store) -> list[str]:
    """A few questions that the index can answer, made from headings."""
    questions = []
    for heading in store.headings(50):
        topic = heading.split(":")[0].strip()
        if 3 <= len(topic) <= 60:
            questions.append(topic if topic.endswith("?") else f"What do my notes say about {topic}?")
    step = max(1, len(questions) // _EXAMPLES)
    return questions[::step][:_EXAMPLES]


def mount_page(server: Any, assistant: Assistant, store: Store, job: IngestJob, history: History) -> Any:
    """The server with the page at `/`."""
    return gr.mount_gradio_app(
        server,
        create(assistant, store, job, history),
        path="/",
        theme=gr.themes.Soft(primary_hue="teal", neutral_hue="slate", font=_FONT, font_mono=_MONO),
        css_paths=[CSS],
        head=_SCRIPT,
        footer_links=[],
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size=0,
    )
