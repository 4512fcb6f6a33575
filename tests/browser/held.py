"""A language model that says what a test tells it to, and when: so slow things last as long as they are looked at."""

import json
import queue
import threading

from tests.web import WebServer, head, page


class Reply:
    """A reply that is being read or written; `left` is set as soon as nobody waits for it any more."""

    def __init__(self, connection):
        self._connection = connection
        self.left = threading.Event()

    def say(self, text):
        self._send(json.dumps({"choices": [{"delta": {"content": text}}]}))

    def end(self):
        self._send("[DONE]")

    def _send(self, data):
        self._connection.sendall(f"data: {data}\n\n".encode())


class HeldModel:
    """Behind OpenAI's interface, at `url`."""

    def __init__(self):
        self._asked = queue.SimpleQueue()
        models = page(json.dumps({"data": [{"id": "held"}]}))
        self._web = WebServer({"/v1/models": models, "/v1/chat/completions": self._reply})
        self.url = self._web.url("/v1")

    def __enter__(self):
        self._web.__enter__()
        return self

    def __exit__(self, *exception):
        self._web.__exit__(*exception)

    def reply(self):
        """The next one that is asked for, which may take a while."""
        return self._asked.get(timeout=120)

    def _reply(self, request, connection):
        connection.sendall(head(200, "Content-Type: text/event-stream", "Connection: close"))
        reply = Reply(connection)
        self._asked.put(reply)
        while connection.recv(65536):  # what was asked, then nothing until the client leaves
            pass
        reply.left.set()
