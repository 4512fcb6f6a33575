"""The tab "Library": what is indexed and how it fares, adding and removing, the links of the notes, and a picture."""

from contextlib import closing
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from chatbot.ingest_job import linked_pages
from chatbot.page import chat, offer, texts
from chatbot.page.library_html import (
    drop_html,
    link_choices,
    links_html,
    picture_html,
    progress_html,
    refused_html,
    removed_html,
    sources_html,
)
from chatbot.server.dropped import safe_path
from chatbot.service import Service
from chatbot.sources import entries
from knowledge.errors import NotesError
from knowledge.store import Store

if TYPE_CHECKING:
    from ingest.pipeline import Removed

_HERE = Path(__file__).parent
_DROP_SCRIPT = (_HERE / "drop.js").read_text(encoding="utf-8")
_MAP_SCRIPT = (_HERE / "map.js").read_text(encoding="utf-8")

#: What a handler changes: the new state of components.
Changes = dict[Any, Any]


class Around(NamedTuple):
    """What stands around the tab: the tabs and this one of them, a timer that ticks whichever is open, and what
    changes on the tab "Ask"."""

    tabs: gr.Tabs
    tab: gr.Tab
    timer: gr.Timer
    asking: chat.Shared


def build(page: gr.Blocks, service: Service, around: Around) -> None:
    """Put the tab together, on the page that it is a part of."""
    _Library(service, around).wire(page)


class _Library:
    """The components of the tab, and what happens on it."""

    def __init__(self, service: Service, around: Around) -> None:
        self._service, self._store, self._job = service, service.store, service.job
        self._drawn = lru_cache(maxsize=1)(self._draw)
        self._tabs, self._tab, self._timer, self._asking = around
        self._removed = gr.State()  # what this session has removed last
        self._offer = offer.build("library-offer")
        self._build_adding()
        with gr.Row(elem_id="progress"):
            self._progress = gr.HTML(elem_id="ingest")
            self._stop = gr.Button(texts.STOP, size="sm", elem_id="stop", visible=False, scale=0)
        self._notice = gr.HTML(elem_id="notice", js_on_load=chat.LIST_SCRIPT, apply_default_css=False)
        with gr.Row():
            self._build_sources()
            self._build_links()
        gr.HTML(f"<h2>{texts.PICTURE}</h2>")
        script = chat.LIST_SCRIPT + _MAP_SCRIPT
        self._picture = gr.HTML(elem_id="picture", js_on_load=script, apply_default_css=False)

    def _build_adding(self) -> None:
        gr.HTML(f"<h2>{texts.ADD}</h2>")
        with gr.Row(elem_id="adding"):
            with gr.Column(min_width=280):
                self._drop = gr.HTML(self.dropping(), elem_id="drop", js_on_load=_DROP_SCRIPT, apply_default_css=False)
            with gr.Column(min_width=280):
                self._path = gr.Textbox(
                    label=texts.PATH,
                    info=texts.PATH_INFO,
                    placeholder=texts.PATH_HINT,
                    submit_btn=texts.PATH_BUTTON,
                    max_length=4096,
                    elem_id="path",
                )
            with gr.Column(min_width=280):
                self._address = gr.Textbox(
                    label=texts.ADDRESS,
                    placeholder=texts.ADDRESS_HINT,
                    submit_btn=texts.ADDRESS_BUTTON,
                    max_length=4096,
                    elem_id="address",
                )
        self._update = gr.Button(texts.UPDATE, size="sm", elem_id="update")

    def _build_sources(self) -> None:
        with gr.Column(scale=3, min_width=320):
            gr.HTML(f"<h2>{texts.SOURCES}</h2>")
            with gr.Row():
                self._filter = gr.Textbox(
                    "", label=texts.FILTER, show_label=False, placeholder=texts.FILTER_HINT, elem_id="filter", scale=2
                )
                choices = [(label, value) for value, label in texts.SHOWN.items()]
                self._shown = gr.Dropdown(choices, value="", label=texts.FILTER, show_label=False, elem_id="shown")
            self._sources = gr.HTML(elem_id="listed", js_on_load=chat.LIST_SCRIPT, apply_default_css=False)

    def _build_links(self) -> None:
        with gr.Column(scale=2, min_width=320):
            gr.HTML(f"<h2>{texts.LINKS}</h2>")
            self._pages = gr.HTML(elem_id="pages")
            with gr.Row():
                self._state = gr.Dropdown([""], value="", label=texts.LINK_STATE, show_label=False, elem_id="state")
                self._fetch = gr.Button(texts.FETCH_LINKS, size="sm", elem_id="fetch")
            self._links = gr.HTML(elem_id="links", js_on_load=chat.LIST_SCRIPT, apply_default_css=False)

    def wire(self, page: gr.Blocks) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        lists = [self._filter, self._shown, self._state]
        first = [*self._asking.offer, *self._offer]
        working = [self._progress, self._stop, self._timer, self._notice, *first]
        whole = [
            *working, self._asking.masthead, self._asking.conversation,
            self._drop, self._sources, self._pages, self._state, self._links, self._picture,
        ]  # fmt: skip
        page.load(self.at_work, None, working, **quiet)
        self._tab.select(self.everything, lists, whole, **quiet)
        self._timer.tick(self.look, lists, whole, **quiet)
        self._update.click(self.update, None, working, **quiet)
        for offered in (self._asking.offer, self._offer):
            offered.shipped.click(self.add_shipped, None, working, **quiet)
        self._asking.offer.own.click(lambda: gr.Tabs(selected="library"), None, self._tabs, **quiet)
        self._fetch.click(self.fetch_all, None, working, **quiet)
        self._path.submit(self.add_path, self._path, [*working, self._path], **quiet)
        self._address.submit(self.add_address, self._address, [*working, self._address], **quiet)
        self._drop.upload(self.add_dropped, None, working, **quiet)
        self._stop.click(self._job.stop, None, None, queue=False, **quiet)
        for listing in (self._sources, self._links):
            listing.retry(self.fetch_again, None, working, **quiet)
        self._sources.delete(self.remove, lists, [*whole, self._removed], **quiet)
        self._notice.undo(self.restore, self._removed, working, **quiet)
        for filtering in (self._filter, self._shown):
            filtering.change(self.filter, [self._filter, self._shown], self._sources, **quiet)
        self._state.change(self.filter_links, self._state, self._links, **quiet)
        self._picture.select(self.ask_about, None, [self._asking.box, self._tabs], **quiet)

    # -- what is shown ----------------------------------------------------------------------------------------------

    def at_work(self) -> Changes:
        """How far an ingest is, whoever began it."""
        running, progress = self._job.running, progress_html(self._job)
        is_empty = not self._store.counts()[1]
        return {
            self._progress: progress,
            self._stop: gr.update(visible=running),
            self._timer: gr.Timer(active=running),
            **offer.shown(self._asking.offer, is_empty, running, progress),
            **offer.shown(self._offer, is_empty, running, ""),
        }

    def look(self, containing: str, shown: str, state: str) -> Changes:
        """While an ingest runs how far it is; afterwards, everything."""
        at_work = self.at_work()
        return at_work if self._job.running else self.everything(containing, shown, state)

    def everything(self, containing: str, shown: str, state: str) -> Changes:
        from ingest.links import link_states

        links = link_states(self._store)
        choices = link_choices(links)
        state = state if state in [value for _, value in choices] else ""
        masthead, examples = chat.opened(self._store)
        return {
            **self.at_work(),
            self._asking.masthead: masthead,
            self._asking.conversation: examples,
            self._drop: self.dropping(),
            self._sources: self.filter(containing, shown),
            self._pages: f"<p>{linked_pages(self._store)} {texts.GOES_ONLINE}</p>",
            self._state: gr.update(choices=choices, value=state),
            self._links: links_html(links, state),
            self._picture: self._drawn(self._store.version),
        }

    def dropping(self) -> str:
        return drop_html(self._service.settings.max_file_mb)

    def _draw(self, version: str) -> str:
        """The picture of this version of the index."""
        return picture_html(self._store, entries(self._store))

    def filter(self, containing: str, shown: str) -> str:
        return sources_html(entries(self._store), self._store.roots(), containing, shown)

    def filter_links(self, state: str) -> str:
        from ingest.links import link_states

        return links_html(link_states(self._store), state)

    def ask_about(self, event: gr.EventData) -> tuple[Any, ...]:
        return texts.question_about(str(event.value)), gr.Tabs(selected="ask")

    # -- what is done -----------------------------------------------------------------------------------------------

    def _begun(self, begun: bool, notice: str = "") -> Changes:
        told = notice if begun else f"{notice}<p>{texts.BUSY}</p>"
        return {**self.at_work(), self._timer: gr.Timer(active=True), self._notice: told}

    def update(self) -> Changes:
        return self._begun(self._job.start())

    def add_shipped(self) -> Changes:
        from ingest.pipeline import SHIPPED_NOTES

        return self._begun(self._job.start([str(SHIPPED_NOTES)]))

    def fetch_all(self) -> Changes:
        return self._begun(self._job.start(links=True))

    def fetch_again(self, event: gr.EventData) -> Changes:
        return self._begun(self._job.fetch_again(str(event.value)))

    def add_path(self, path: str) -> Changes:
        path = path.strip()
        if "://" in path:
            return {self._notice: f"<p>{texts.PATH_IS_ADDRESS}</p>"}
        return self._added(self._path, path)

    def add_address(self, address: str) -> Changes:
        address = address.strip()
        return self._added(self._address, address if "://" in address or not address else f"https://{address}")

    def _added(self, field: gr.Textbox, source: str) -> Changes:
        if not source:
            return {self._notice: ""}
        begun = self._job.start([source])
        return {**self._begun(begun), field: "" if begun else gr.skip()}

    def add_dropped(self, event: gr.EventData) -> Changes:
        notice = refused_html(len(event.kept), event.refused)
        if not event.kept:
            return {self._notice: notice}
        folder = self._service.settings.dropped
        self._store.add_root(str(folder))  # the next update takes them up where one is running now
        # each by its name too: one that was removed before comes back
        names = [folder / name for name in map(safe_path, event.kept) if name]
        return self._begun(self._job.start([str(folder), *map(str, names)]), notice)

    def remove(self, containing: str, shown: str, state: str, event: gr.EventData) -> Changes:
        from ingest.pipeline import remove

        try:
            with closing(Store(self._service.settings)) as store:
                removed = remove(store, str(event.value))
        except NotesError as error:
            return {self._notice: f"<p>{escape(str(error))}</p>"}
        notice = removed_html(removed)
        return {**self.everything(containing, shown, state), self._notice: notice, self._removed: removed}

    def restore(self, removed: "Removed") -> Changes:
        return self._begun(self._job.restore(removed))
