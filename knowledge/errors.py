"""The one error that people see."""


class NotesError(Exception):
    """A failure told to the user in one line: what is wrong, where, and what to do next.

    The command line prints it and exits 1; the page shows it in place of an answer.
    """
