"""Turns a question into an answer: route → retrieve → decide → generate → check. Holds the page and the commands too."""

import knowledge  # noqa: F401  keeps every library off the network
