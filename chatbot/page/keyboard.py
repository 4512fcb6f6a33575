"""The keys of the page, and the sheet that lists them."""

import json
from html import escape
from pathlib import Path

from chatbot.page import texts


def script() -> str:
    """The listener, with the sheet that it shows."""
    source = Path(__file__).with_name("keyboard.js").read_text(encoding="utf-8")
    sheet = json.dumps(_sheet_html()).replace("</", "<\\/")  # nothing in it ends the script
    return f"{source}listenToKeys({sheet});\n"


def _sheet_html() -> str:
    rows = "".join(f"<tr><th><kbd>{escape(key)}</kbd></th><td>{told}</td></tr>" for key, told in texts.KEYS.items())
    return (
        f'<h2 id="keys-title">{texts.KEYBOARD}</h2><table>{rows}</table>'
        f'<label><input type="checkbox"> {texts.KEYS_ON}</label><button type="button">{texts.CLOSE}</button>'
    )
