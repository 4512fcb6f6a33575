"""What an empty library says of itself, and the notes that it offers to begin with."""

from typing import Any, NamedTuple

import gradio as gr

from chatbot.page import texts


class Offer(NamedTuple):
    """The panel, and what in it is used."""

    panel: gr.Column
    told: gr.HTML
    buttons: gr.Row
    shipped: gr.Button
    own: gr.Button


def build(name: str) -> Offer:
    """A panel, shown once it is known that nothing is indexed."""
    with gr.Column(visible=False, elem_id=name, elem_classes="offer") as panel:
        told = gr.HTML(texts.EMPTY)
        with gr.Row() as buttons:
            shipped = gr.Button(texts.USE_SHIPPED, variant="primary", size="md")
            own = gr.Button(texts.USE_OWN, size="md")
    return Offer(panel, told, buttons, shipped, own)


def shown(offer: Offer, is_empty: bool, running: bool, progress: str) -> dict[Any, Any]:
    """The panel as it is now: gone where something is indexed; while an ingest runs, with its progress alone."""
    return {
        offer.panel: gr.update(visible=is_empty),
        offer.told: texts.EMPTY + progress,
        offer.buttons: gr.update(visible=not running),
    }
