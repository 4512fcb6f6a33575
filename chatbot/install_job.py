"""Installing a model from the page: one job for the whole server, with its progress and its end."""

import threading
from pathlib import Path

from knowledge.errors import NotesError


class _Stopped(Exception):
    """The job was asked to end."""


class InstallJob:
    """Installs in the background; `line` says how far it is or how it ended, `share` how much of it is done."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.line = ""
        self.share = 0.0

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, wanted: str) -> bool:
        """Begin to install what `askmynotes models install` takes: a file, a name, or nothing for the default models.
        False where a job runs already."""
        with self._lock:
            if self.running:
                return False
            self._stop.clear()
            self.line, self.share = "Beginning …", 0.0
            self._thread = threading.Thread(target=self._run, args=(wanted,), daemon=True, name="install")
            self._thread.start()
            return True

    def stop(self) -> None:
        """End with the next piece; of the default models, when the step under way is done."""
        self._stop.set()

    def _run(self, wanted: str) -> None:
        from finetune.shipped import TUNING
        from knowledge.models import add, install

        try:
            if wanted:
                name = add(self._models, wanted, self._progress).name
            else:
                install(self._models, TUNING, self._say)
                name = "All that the program needs"
            self.line, self.share = f"{name} is installed.", 1.0
        except _Stopped:
            self.line = "Stopped. A download goes on from here the next time."
        except NotesError as error:
            self.line = f"Not installed: {error}."
        except Exception as error:  # nobody else would tell it
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.line = f"Not installed: something went wrong inside askmynotes ({reason})."

    def _progress(self, done: int, total: int) -> None:
        self.share = done / total if total else 0.0
        self._say(f"{done / 2**20:.0f} of {total / 2**20:.0f} MB")

    def _say(self, line: str) -> None:
        if self._stop.is_set():
            raise _Stopped
        self.line = line
