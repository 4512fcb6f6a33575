"""`python -m finetune` is `askmynotes finetune`."""

from finetune.cli import finetune

finetune(prog_name="python -m finetune")
