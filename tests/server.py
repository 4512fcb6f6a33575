"""The program's own web server, in a process of its own."""

import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Server:
    """Runs until it is stopped. What it prints on the error stream goes into `errors`, a file, where one is given."""

    def __init__(self, settings, *options, env=None, errors=None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "chatbot", "serve", "--port", str(port), "--home", str(settings.home)]
        self.settings = settings
        self.url = f"http://127.0.0.1:{port}/"
        self.process = subprocess.Popen(
            [*command, *options], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert f":{port}  (" in self.process.stdout.readline()

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
