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
