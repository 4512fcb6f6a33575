"""`python -m chatbot` is `askmynotes`."""

from chatbot.cli import main

# the process that reads files imports this module again
if __name__ == "__main__":
    main()
