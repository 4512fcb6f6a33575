"""What the page says, in one place."""

TITLE = "Ask my notes"
ASK = "Ask"
LIBRARY = "Library"
FAULT = "Something went wrong inside askmynotes. What was wrong is told where it was started."
NO_FILES = "The page takes no files."

# -- login -----------------------------------------------------------------------------------------------------------

LOG_IN = "Log in"
LOG_OUT = "Log out"
LOGGED_OUT = "You are logged out: load the page again to log in."
NAME = "Name"
PASSWORD = "Password"
WRONG = "That name and that password do not belong together."
MISSING = "Give a name and a password."


def wait(seconds: int) -> str:
    return f"Too many attempts: wait {seconds} second{'s' * (seconds != 1)} and try again."


# -- the tab "Ask" -----------------------------------------------------------------------------------------------------

NEW = "New conversation"
FIND = "Search conversations"
RENAME = "Rename this conversation"
DELETED = "Deleted."
DELETE = "Delete"
UNDO = "Undo"
AS_MARKDOWN = "Markdown"
AS_JSON = "JSON"
KEPT_HERE = "What you ask is kept here, on this computer."
BEGIN = "Ask in your own words. Every answer quotes your notes."
QUESTION = "Ask your notes"
EDIT = "Edit"
CANCEL = "Cancel"
WHAT_WAS_WRONG = "What was wrong with that answer?"
STOPPED = "Stopped."
STATES = {"searching": "Searching your notes …", "reading": "Reading …", "writing": "Writing …"}
TODAY = "Today"
YESTERDAY = "Yesterday"
COPY = "Copy"
COPIED = "Copied"
COPY_CODE = "Copy this code"
TABLE = "Table"


def editing(number: int, behind: int) -> str:
    """Told while a question is edited that has so many others behind it."""
    lost = "the question" if behind == 1 else f"the {behind} questions"
    return f"You are editing question {number}." + f" Asking it drops {lost} after it." * bool(behind)


def held(passages: int, documents: int) -> str:
    if not passages:
        return "nothing is indexed yet"
    return f"{plural(passages, 'passage')} from {plural(documents, 'document')}"


def answered(engine: str, seconds: float) -> str:
    """Below a complete answer, each sentence of which the notes support."""
    who = "quoted from your notes" if engine == "extract" else f"answered by {engine}"
    return f"checked · {who} in {seconds:.1f} s"


def show_passage(n: int) -> str:
    return f"Show passage {n}"


# -- answers under way ------------------------------------------------------------------------------------------------


def waiting(ahead: int) -> str:
    """Told to somebody whose answer is written after so many answers to others."""
    return f"Waiting: {ahead} ahead of you …"


def question_about(topic: str) -> str:
    """A question that the section with this heading answers."""
    return topic if topic.endswith("?") else f"What do my notes say about {topic}?"


# -- the tab "Library" and the first run ---------------------------------------------------------------------------

EMPTY = """<h2>Nothing is indexed yet</h2>
<p>Answers come from your own notes and nothing else, so the first step is to choose some: Markdown, text, PDF, Word,
EPUB, web pages you saved, and more. They are read here and stay where they are; nothing leaves this computer.</p>"""
USE_SHIPPED = "Try it with the notes that come with the program"
USE_OWN = "Use notes of my own"

ADD = "Add to the library"
DROP = "Drop files or a folder here"
CHOOSE_FILES = "Choose files"
CHOOSE_FOLDER = "Choose a folder"
PATH = "A folder or file on this computer"
PATH_HINT = "~/notes"
PATH_BUTTON = "Add"
PATH_INFO = "It is read where it is, and followed: changed and deleted notes too, at each update."
ADDRESS = "A web address"
ADDRESS_HINT = "https://…"
ADDRESS_BUTTON = "Fetch (goes online)"
UPDATE = "Bring all up to date"
STOP = "Stop"
BUSY = "The library is being updated just now: do this again when that has ended, or stop it first."
PATH_IS_ADDRESS = "This is a web address: the field for web addresses fetches it."

SOURCES = "Sources"
FILTER = "Filter sources"
FILTER_HINT = "Filter by name, title or problem …"
NOTHING_FITS = "No source fits."
FOLLOWED = "Followed"
FETCH_AGAIN = "Fetch again (goes online)"
REMOVE = "Remove"

LINKS = "Links in your notes"
LINK_STATE = "State"
FETCH_LINKS = "Fetch all (goes online)"
FETCH_LINK = "Fetch (goes online)"
GOES_ONLINE = "Fetching them goes online, to the addresses in your notes."
NO_LINKS = "No link of your notes is in this state."

PICTURE = "Your library at a glance"
MAP_NAME = "Map of the topics. Arrow keys go from point to point, Enter asks about one."
MAP = "Topics: every point is a section, near those that are about the same. Click one to ask about it."
BY_KIND = "Passages by kind of source"
BY_DAY = "Passages by the date of their note or page"
FROM_WEB = "pages from the web"
OTHERS = "others"

SHOWN = {"": "All", "indexed": "Indexed", "problem": "With problems", "left out": "Left out"}
REFUSALS = {
    "kind": "of a kind that is not read",
    "size": "too large (see “Largest file” in the settings)",
    "failed": "could not be kept",
}


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def removed(source: str, documents: int) -> str:
    stays = "The page as it was fetched is kept." if "://" in source else "The file itself stays where it is."
    return f"Out of the index: {source} ({plural(documents, 'document')}). {stays}"


def more(number: int) -> str:
    return f"and {number:,} more: type in the filter to see them"


def time_left(seconds: float) -> str:
    return "less than a minute left" if seconds < 60 else f"about {plural(round(seconds / 60), 'minute')} left"


# -- the evidence of an answer -------------------------------------------------------------------------------------

EVIDENCE = "Evidence"
WHY = "Why this answer"
LOOKED_AT = "Looked at"
REMOVED_FROM = "<strong>Removed</strong> from what the language model wrote:"
NO_EVIDENCE_YET = "The passages behind an answer appear here."
NO_PASSAGES = "This answer rests on no passage of your notes."
LOOKING = "Searching your notes …"
SHOW_EVIDENCE = "Show evidence"
EVIDENCE_SHOWN = "Evidence shown"
WHOLE = {"note": "Whole note", "article": "Whole article"}
BACK = "Back to the evidence"
NOT_INDEXED = "It is no longer indexed; this is the passage as it was cited."
FILE_GONE = "The file is gone; this is what was indexed of it."
FILE_CHANGED = "The file has changed since it was indexed; this is the text as it was."
PASSAGE_GONE = "It was indexed again since, and the cited passage no longer stands in it."
CUT = "It is long: what is far from the cited passage is left out."


def unused(count: int) -> str:
    return f"Also found, not used ({count})"


def dated(day: str) -> str:
    return f"dated {day}"


def changed(day: str) -> str:
    return f"changed {day}"


def fetched(day: str) -> str:
    return f"fetched {day}"


# -- models and settings ---------------------------------------------------------------------------------------------

MODELS = "Models"
SETTINGS = "Settings"

ANSWERS_NOW = "answers now"
USE = "Use"
NO_LICENCE = "licence not stated"
OWN_LICENCE = "licence as its base"
WITHOUT_FILE = {
    "extract": "Quotes your notes, without a language model.",
    "openai": "Asks a server of yours that speaks as OpenAI's does:",
}
SECTIONS = {
    "language": "Language models",
    "adapter": "Adapters",
    "engine": "Without a model here",
    "embedding": "What finds the passages",
}
NO_ADAPTERS = "None yet: <code>askmynotes finetune train</code> makes one from your notes."
WANTED = "A GGUF file on this computer, or a name of GPT4All's catalogue"
WANTED_INFO = (
    "A file is linked or copied into the folder of models. A name is fetched from gpt4all.io: that goes online."
)
INSTALL, INSTALL_DEFAULTS = "Install", "Install the default models"


def loading(name: str) -> str:
    return f"Loading {name} …"


def answers_next(name: str) -> str:
    return f"{name} answers from the next question on."


THEME = "Light or dark"
THEME_INFO = "Remembered by this browser, at once."
THEMES = [("As the system", "system"), ("Light", "light"), ("Dark", "dark")]
ENGINE_CHOICES = [
    ("A model in a file (gpt4all)", "gpt4all"),
    ("Quotes alone (extract)", "extract"),
    ("A server of yours (openai)", "openai"),
    ("An adapter (lora)", "lora"),
]
#: each setting of the page: what it is called, and what it does
FIELDS = {
    "engine": ("What answers", "Whatever it is, only what your notes support is shown."),
    "model": ("Model", "The GGUF file of the engine gpt4all: a name in the folder of models, or a path."),
    "answer_seconds": (
        "Seconds for an answer",
        "A language model that takes longer is stopped; your notes are quoted.",
    ),
    "reranker": (
        "Reranker",
        "The folder of a cross-encoder that reads the best passages again, which is slow; empty: none does.",
    ),
    "fetch_links": ("Fetch linked pages", "Every ingest goes online, to the addresses that stand in your notes."),
    "max_file_mb": ("Largest file (MB)", "Ingest leaves out what is larger."),
    "allow_private_hosts": (
        "Private hosts",
        "Hosts of your own network that pages may be fetched from, with commas between them; others are refused.",
    ),
    "openai_url": ("Address of the server", "It ends in /v1; http://localhost:11434/v1 is Ollama's."),
    "openai_model": ("Its model", "Empty: the first one that the server names."),
    "openai_key": ("Its key", "Kept in config.toml and never shown again; empty: the one that is kept stays."),
    "allow_public_engine": (
        "The server may be on the internet",
        "Warning: your questions and passages of your notes are then sent to it, out of your network.",
    ),
}
SAVE = "Save"
SAVING = "Saving …"
SAVED = "Saved. It holds from the next question or ingest on; no restart is needed."
NOTHING_TO_SAVE = "Nothing has changed."
NOT_SAVED = "Nothing was saved."
NO_NUMBER = "a whole number is wanted"


def elsewhere(config: str, embedding_model: str) -> str:
    """What is not set here; both are escaped already."""
    return (
        f"<p>The embedding model is <code>{embedding_model}</code>. Another one makes a new index: set "
        "<code>embedding_model</code> in the file below, run <code>askmynotes ingest</code>, then start the server "
        f"again.</p><p>These settings and all others stand in <code>{config}</code>.</p>"
    )


OFFLINE_COUNTED = (
    "Counted are this program's attempts to reach another computer, answered or not, and names of hosts that it looked "
    "up. What your browser does by itself is not counted."
)


def offline_mark(connections: int, lookups: int, since: str) -> str:
    if not connections and not lookups:
        return f"Offline: no connection has left this computer since {since}"
    told = f"{connections} connection{'' if connections == 1 else 's'} to outside since {since}"
    return told if connections else f"No connection since {since}, but {lookups} looked up"


def reached(connections: int) -> str:
    return f"{connections} connection{'' if connections == 1 else 's'}" if connections else "looked up only"


def tuned(verdict: str, examples: int) -> str:
    """What the evaluation of a tuned model found."""
    return f"Tuned: {verdict}, on {examples} held-out examples"


# -- the keyboard ------------------------------------------------------------------------------------------------------

KEYBOARD = "Keyboard"
SHOW_KEYS = "Keys of the page"
KEYS = {
    "/": "write a question",
    "Enter": "ask it; Shift+Enter begins a new line",
    "Esc": "stop the answer, or leave the field",
    "n": "begin a new conversation",
    "c": "go to the list of conversations",
    "s": "go to the evidence",
    "1 2 3 4": "open a tab: Ask, Library, Models, Settings",
    "Tab": "go on to the next thing; Enter or Space uses it",
    "?": "show these keys",
}
KEYS_ON = "Keys without Ctrl or Alt do this outside of fields"
CLOSE = "Close"
