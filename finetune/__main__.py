"""`python -m finetune` is `askmynotes finetune`."""

import sys

from chatbot.cli import main

main(["finetune", *sys.argv[1:]], program="python -m")
