"""The chat page: a conversation beside the passages that its answers rest on."""

import time
from collections.abc import Generator
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from chatbot.answer import Answer, Assistant
from chatbot.library import IngestJob, linked_pages
from chatbot.render import answer_html, question_html, sources_html
from knowledge.errors import NotesError
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

# the system's own fonts: nothing to fetch, and letters people are used to
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
_MONO = ("ui-monospace", "Menlo", "Consolas", "Noto Sans Mono", "monospace")
_EXAMPLES = 4
_READY = gr.update(submit_btn=True, stop_btn=False)
_AT_ONCE = 8  # conversations; the engine takes one at a time, searches need not wait


def create(assistant: Assistant, store: Store, job: IngestJob) -> gr.Blocks:
    """The page, to be mounted in a server."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        turns = gr.State([])
        masthead = gr.HTML(elem_id="masthead")
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                conversation = gr.Chatbot(
                    elem_id="conversation",
                    show_label=False,
                    buttons=["copy"],
                    feedback_options=None,
                    latex_delimiters=[],
                    layout="bubble",
                    placeholder="Ask in your own words. Every answer quotes your notes.",
                )
                box = gr.Textbox(
                    elem_id="question",
                    show_label=False,
                    placeholder="Ask your notes …",
                    submit_btn=True,
                    stop_btn=False,
                    autofocus=True,
                    max_length=2000,
                    html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
                )
                new = gr.Button("New conversation", size="sm", variant="secondary", elem_id="new")
                with gr.Accordion("Articles that your notes link to", open=False, elem_id="articles"):
                    pages = gr.HTML(elem_id="pages")
                    with gr.Row():
                        fetch = gr.Button("Fetch them from the web", size="sm", elem_id="fetch")
                        leave = gr.Button("Stop", size="sm", elem_id="leave", interactive=False)
            with gr.Column(scale=2, min_width=320):
                sources = gr.HTML(sources_html([]), elem_id="sources")

        # What a session asks of its answer under way, "stop" or "new". The answer itself takes it up, within a tenth
        # of a second: cancelling from outside would race with what it sends last.
        wishes: dict[str | None, str] = {}

        def respond(question: str, turns: list[Answer], request: gr.Request) -> Generator[tuple[Any, ...], None, None]:
            wishes.pop(request.session_hash, None)
            if not question.strip():
                yield (gr.skip(),) * 4
                return
            yield gr.update(value="", submit_btn=False, stop_btn=True), *[gr.skip()] * 3
            shown = None
            with closing(_answers(assistant, question, turns)) as answers:
                for answer in answers:
                    if wish := wishes.pop(request.session_hash, None):
                        yield _READY, *_drawn([] if wish == "new" else [*turns, answer.ended("Stopped.")])
                        return
                    # what looks the same is not sent again; the empty yields let a closed page end the work
                    if (looks := (answer.state, answer.text)) == shown:
                        yield (gr.skip(),) * 4
                    else:
                        shown = looks
                        yield gr.skip(), *_drawn([*turns, answer])
            yield _READY, *[gr.skip()] * 3

        def stop(request: gr.Request) -> None:
            wishes[request.session_hash] = "stop"

        def start_over(request: gr.Request) -> tuple[Any, ...]:
            wishes[request.session_hash] = "new"
            return _READY, *_drawn([])

        def fetch_articles() -> Generator[tuple[Any, ...], None, None]:
            job.start(links=True)
            while job.running:
                yield _pages_html(store, job.line), gr.update(interactive=False), gr.update(interactive=True)
                time.sleep(0.5)
            yield _pages_html(store, job.line), gr.update(interactive=True), gr.update(interactive=False)

        outputs = [box, conversation, sources, turns]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        asking = {**quiet, "fn": respond, "inputs": [box, turns], "outputs": outputs, "concurrency_limit": _AT_ONCE}
        box.submit(**asking)
        conversation.example_select(_picked, None, box, **quiet).then(**asking)
        box.stop(stop, None, None, queue=False, **quiet)
        new.click(start_over, None, outputs, queue=False, **quiet)
        fetch.click(fetch_articles, None, [pages, fetch, leave], concurrency_limit=_AT_ONCE, **quiet)
        leave.click(job.stop, None, None, queue=False, **quiet)
        page.load(
            lambda: (*_opened(store), _pages_html(store, job.line)), None, [masthead, conversation, pages], **quiet
        )
    return page


def _answers(assistant: Assistant, question: str, turns: list[Answer]) -> Generator[Answer, None, None]:
    """The answer as it grows; a failure is told in its place."""
    answer = Answer(question)
    try:
        with closing(assistant.stream(question, turns)) as answers:
            for answer in answers:  # noqa: B007  the last one is kept for the case of a failure
                yield answer
    except NotesError as error:
        yield answer.ended(str(error))


def _drawn(turns: list[Answer]) -> tuple[list[dict[str, str]], str, list[Answer]]:
    """The conversation and its sources as they are shown, and the turns themselves."""
    messages = []
    for turn, answer in enumerate(turns):
        messages.append({"role": "user", "content": question_html(answer.question)})
        messages.append({"role": "assistant", "content": answer_html(answer, turn)})
    return messages, sources_html(turns), turns


def _picked(event: gr.SelectData) -> str:
    return event.value["text"]


def _opened(store: Store) -> tuple[str, Any]:
    documents, chunks = store.counts()
    held = f"{chunks} passages from {documents} documents" if chunks else "nothing is indexed yet"
    masthead = f"<h1>{TITLE}</h1><p>{held} · everything stays on this computer</p>"
    return masthead, gr.update(examples=[{"text": text} for text in examples(store)])


def _pages_html(store: Store, line: str) -> str:
    told = f'<p role="status">{escape(line)}</p>' if line else ""
    return f"<p>{escape(linked_pages(store))} Fetching them goes online, to the addresses in your notes.</p>{told}"


def examples(store: Store) -> list[str]:
    """A few questions that the index can answer, made from headings."""
    questions = []
    for heading in store.headings(50):
        topic = heading.split(":")[0].strip()
        if 3 <= len(topic) <= 60:
            questions.append(topic if topic.endswith("?") else f"What do my notes say about {topic}?")
    step = max(1, len(questions) // _EXAMPLES)
    return questions[::step][:_EXAMPLES]


def mount_page(server: Any, assistant: Assistant, store: Store, job: IngestJob) -> Any:
    """The server with the page at `/`."""
    return gr.mount_gradio_app(
        server,
        create(assistant, store, job),
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
