"""The tab "Ask": conversations, the one that is open, and the passages that its answers rest on."""

from typing import Any

import gradio as gr

from chatbot.page.actions import Actions, pages_html, user_of
from chatbot.page.render import conversations_html, sources_html, user_html
from chatbot.page.texts import TITLE
from chatbot.service import Service
from knowledge.store import Store

# What is clicked in the list of conversations, with the conversation that it stands for.
_LIST_SCRIPT = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  if (button) trigger(button.dataset.do, { index: 0, value: button.dataset.id });
});
"""

_HAS_ROOM = "() => window.innerWidth > 1000"

_EXAMPLES = 4


def build(page: gr.Blocks, service: Service) -> None:
    """Put the tab together, on the page that it is a part of."""
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

    actions = Actions(service)
    outputs = [box, conversation, sources, turns, current, listing]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    at_once = {**quiet, "queue": False}
    # queued: else Gradio does not tell that a state has changed
    # unlimited: who waits for the language model is shown how many are ahead, and Gradio's own queue is hidden
    answering = {**quiet, "outputs": outputs, "concurrency_limit": None}
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
    fetch.click(actions.fetch_articles, None, [pages, fetch, leave], concurrency_limit=None, **quiet)
    leave.click(service.job.stop, None, None, queue=False, **quiet)

    def loaded(request: gr.Request) -> tuple[Any, ...]:
        user = user_of(request)
        kept = conversations_html(service.history.conversations(user), "")
        return *_opened(service.store, user), pages_html(service.store, service.job.line), kept

    page.load(loaded, None, [masthead, conversation, pages, listing], **quiet)
    # the list is open where there is room beside the conversation; elsewhere it leaves when one is opened
    room = gr.Checkbox(visible=False)
    fitting = {"inputs": room, "outputs": sidebar, "js": _HAS_ROOM, **quiet}
    page.load(lambda wide: gr.update(open=True) if wide else gr.skip(), **fitting)
    for event in (new.click, listing.select):
        event(lambda wide: gr.update(open=wide), **fitting)


def _example(event: gr.SelectData) -> str:
    return event.value["text"]


def _opened(store: Store, user: str) -> tuple[str, Any]:
    documents, chunks = store.counts()
    held = f"{chunks} passages from {documents} documents" if chunks else "nothing is indexed yet"
    masthead = f"<h1>{TITLE}</h1><p>{held} · everything stays on this computer</p>{user_html(user)}"
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
