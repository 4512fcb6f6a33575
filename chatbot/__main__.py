"""`python -m chatbot` is `askmynotes`."""

from chatbot.cli import main

main()
