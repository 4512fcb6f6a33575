"""What the page says, in one place."""

TITLE = "Ask my notes"
FAULT = "Something went wrong inside askmynotes. What was wrong is told where it was started."
NO_FILES = "The page takes no files."

# -- login -----------------------------------------------------------------------------------------------------------

LOG_IN = "Log in"
LOG_OUT = "Log out"
NAME = "Name"
PASSWORD = "Password"
WRONG = "That name and that password do not belong together."
MISSING = "Give a name and a password."


def wait(seconds: int) -> str:
    return f"Too many attempts: wait {seconds} second{'s' * (seconds != 1)} and try again."


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
    "size": "too large (max_file_mb in config.toml)",
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
