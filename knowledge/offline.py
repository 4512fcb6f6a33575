"""Keep the libraries off the network; imported before any of them.

Each switch silences one library that otherwise reports usage, looks for updates or asks a model hub. They are set,
not defaulted: a private assistant stays private whatever the shell exports.
"""

import os

SWITCHES = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SHARE": "False",
    "ORT_DISABLE_TELEMETRY": "1",
    "LANGSMITH_TRACING_V2": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "TOKENIZERS_PARALLELISM": "false",  # quiets a warning when a process forks after tokenizing
}

os.environ.update(SWITCHES)
