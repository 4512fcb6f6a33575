"""The tab "Ask": conversations, the one that is open, and the passages that its answers rest on."""

from typing import Any, NamedTuple

import gradio as gr

from chatbot.page import offer, texts
from chatbot.page.actions import Actions, user_of
from chatbot.page.evidence import evidence_html
from chatbot.page.follow_ups import examples
from chatbot.page.render import conversations_html
from chatbot.service import Service
from knowledge.store import Store

# What is clicked in a list, with what it stands for: a conversation, a source, a model.
LIST_SCRIPT = """
element.addEventListener("click", (event) => {
  const clicked = event.target.closest("[data-do]");
  if (clicked) trigger(clicked.dataset.do, { index: 0, value: clicked.dataset.id });
});
"""

# An answer that is clicked shows its evidence, unless words of it are being selected; what is asked of the evidence.
_EVIDENCE_SCRIPT = """
document.addEventListener("click", (event) => {
  const answer = event.target.closest("#conversation .answer");
  const turn = answer && answer.id.split("-").pop();
  const aside = event.target.closest("a:not(.cite), button.copy-code") || !getSelection().isCollapsed;
  if (answer && !aside && !element.querySelector(`.evidence[data-turn="${turn}"]`)) {
    trigger("select", { index: 0, value: turn });
  }
  const button = element.contains(event.target) && event.target.closest("button[data-do]");
  if (button) trigger(button.dataset.do, { index: 0, value: button.dataset.value });
});
"""

# A question that is to be edited goes into the box, and with the button beside the box out of it again.
_EDITING_SCRIPT = """
document.addEventListener("click", (event) => {
  const edit = event.target.closest("#conversation button.edit");
  const cancel = element.contains(event.target) && event.target.closest("button");
  if (edit) trigger("edit", { index: 0, value: edit.id.split("-").pop() });
  if (cancel) trigger("undo");
  if (edit || cancel) document.querySelector("#question textarea").focus();
});
"""

_HAS_ROOM = "() => window.innerWidth > 1000"


class Shared(NamedTuple):
    """What other tabs change on this one."""

    masthead: gr.HTML
    offer: offer.Offer
    conversation: gr.Chatbot
    box: gr.Textbox


def build(page: gr.Blocks, service: Service, masthead: gr.HTML) -> Shared:
    """Put the tab together, on the page that it is a part of, which is headed by `masthead`."""
    turns = gr.State([])
    current = gr.State("")
    rated = gr.State(None)  # the conversation and the number of the turn that was rated last
    editing = gr.State(None)  # the number of the turn whose question is edited
    with gr.Sidebar(width=300, open=False, elem_id="conversations") as sidebar:
        new = gr.Button(texts.NEW, size="sm", variant="secondary", elem_id="new")
        containing = gr.Textbox(
            label=texts.FIND,
            show_label=False,
            placeholder=f"{texts.FIND} …",
            elem_id="find",
            html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
        )
        listing = gr.HTML(elem_id="listing", js_on_load=LIST_SCRIPT, apply_default_css=False)
        name = gr.Textbox(label=texts.RENAME, elem_id="name", visible=False, max_length=120)
    first_run = offer.build("offer")
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            conversation = gr.Chatbot(
                elem_id="conversation",
                show_label=False,
                buttons=["copy"],
                latex_delimiters=[],
                allow_tags=False,  # else MathML is shown as text
                layout="bubble",
                placeholder=texts.BEGIN,
            )
            reason = gr.Textbox(label=texts.WHAT_WAS_WRONG, elem_id="reason", visible=False, max_length=500)
            edited = gr.HTML(elem_id="editing", js_on_load=_EDITING_SCRIPT, apply_default_css=False)
            box = gr.Textbox(
                elem_id="question",
                label=texts.QUESTION,
                show_label=False,
                placeholder=f"{texts.QUESTION} …",
                submit_btn=True,
                stop_btn=False,
                autofocus=True,
                max_length=2000,
                html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
            )
        with gr.Column(scale=2, min_width=320):
            sources = gr.HTML(
                evidence_html(None, 0, {}), elem_id="sources", js_on_load=_EVIDENCE_SCRIPT, apply_default_css=False
            )

    actions = Actions(service)
    outputs = [box, conversation, sources, turns, current, listing, editing]
    asked = [box, turns, current, containing, editing]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    at_once = {**quiet, "queue": False}
    # queued: else Gradio does not tell that a state has changed
    # unlimited: who waits for the language model is shown how many are ahead, and Gradio's own queue is hidden
    answering = {**quiet, "outputs": outputs, "concurrency_limit": None}
    box.submit(actions.respond, asked, **answering)
    conversation.example_select(_example, None, box, **quiet).then(actions.respond, asked, **answering)
    conversation.option_select(_follow_up, None, [box, editing], **quiet).then(actions.respond, asked, **answering)
    for event in (sources.select, sources.collapse):
        event(actions.selected, turns, [conversation, sources], **at_once)
    sources.expand(actions.whole, turns, sources, **at_once)
    conversation.retry(actions.again, [turns, current, containing], **answering)
    edited.edit(actions.edit, turns, [box, editing], **quiet)
    edited.undo(lambda: ("", None), None, [box, editing], **quiet)
    editing.change(actions.told_of_editing, [editing, turns], edited, **at_once)
    conversation.like(actions.rate, [turns, current], [reason, rated], **quiet)
    reason.submit(actions.explain, [rated, reason], reason, **quiet)
    box.stop(actions.stop, None, None, **at_once)
    new.click(actions.start_over, containing, **answering)
    listing.select(actions.picked, containing, **answering)
    listing.delete(actions.delete, [current, containing], **answering)
    listing.undo(actions.restore, containing, **answering)
    current.change(actions.named, current, name, **at_once)
    name.submit(actions.rename, [current, name, containing], listing, **at_once)
    containing.change(actions.search, [current, containing], listing, **at_once)

    def loaded(request: gr.Request) -> tuple[Any, ...]:
        kept = service.history.conversations(user_of(request))
        return *opened(service.store), conversations_html(kept, "")

    page.load(loaded, None, [masthead, conversation, listing], **quiet)
    # the list is open where there is room beside the conversation; elsewhere it leaves when one is opened
    room = gr.Checkbox(visible=False)
    fitting = {"inputs": room, "outputs": sidebar, "js": _HAS_ROOM, **quiet}
    page.load(lambda wide: gr.update(open=True) if wide else gr.skip(), **fitting)
    for event in (new.click, listing.select):
        event(lambda wide: gr.update(open=wide), **fitting)
    return Shared(masthead, first_run, conversation, box)


def _example(event: gr.SelectData) -> str:
    return event.value["text"]


def _follow_up(event: gr.SelectData) -> tuple[str, None]:
    return event.value, None


def opened(store: Store) -> tuple[str, Any]:
    """What the index holds, in the masthead and as questions to begin with."""
    documents, chunks = store.counts()
    masthead = f"<h1>{texts.TITLE}</h1><p>{texts.held(chunks, documents)}</p>"
    return masthead, gr.update(examples=[{"text": text} for text in examples(store)])
