"""Turns a question into an answer: route → retrieve → decide → generate → check. And the page and commands."""

import knowledge  # noqa: F401  keeps every library off the network
