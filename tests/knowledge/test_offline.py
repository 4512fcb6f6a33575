"""What leaves the computer is counted; an audit hook stays, so each of these is a process of its own."""

import json
import subprocess
import sys

from ingest.worker import Worker
from tests.conftest import ROOT

WATCH = "import socket, contextlib\nfrom knowledge.offline import naming, outside, watch\nwatch()\n"


def counted(code):
    told = "import json; print(json.dumps(dict(outside().hosts)))"
    code = WATCH + "\n".join([code, told])
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout)


def tried(call):
    return f"with contextlib.suppress(OSError):\n    {call}"


def test_what_stays_on_this_computer_is_not_counted():
    assert counted("listener = socket.create_server(('127.0.0.1', 0))\nport = listener.getsockname()[1]\n"
                   "for host in ('127.0.0.1', 'localhost', '::ffff:127.0.0.1', '0.0.0.0'):\n"
                   "    with contextlib.suppress(OSError):\n        socket.create_connection((host, port), 1)\n"
                   "left, right = socket.socketpair()") == {}  # fmt: skip


def test_an_attempt_counts_though_nobody_answers():
    again = tried("socket.create_connection(('192.0.2.1', 9), 0.01)")
    told = counted("\n".join([again, again, "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.7', 9))"]))
    assert told == {"192.0.2.1": 2, "192.0.2.7": 1}


def test_a_host_is_told_by_its_name_where_that_is_known():
    lines = [
        "with naming('bread.example'), contextlib.suppress(OSError):",
        "    socket.create_connection(('192.0.2.1', 9), 0.01)",
        tried("socket.create_connection(('192.0.2.2', 9), 0.01)"),
    ]
    assert counted("\n".join(lines)) == {"bread.example": 1, "192.0.2.2": 1}


def test_a_name_that_was_only_looked_up_is_told_too():
    assert counted(tried("socket.getaddrinfo('nowhere.invalid', 80)")) == {"nowhere.invalid": 0}


def test_watching_twice_counts_once():
    assert counted("watch()\n" + tried("socket.create_connection(('192.0.2.1', 9), 0.01)")) == {"192.0.2.1": 1}


def test_the_process_that_reads_files_is_refused_the_network():
    code = (
        "import socket\nfrom knowledge.offline import refuse\nrefuse()\n"
        "left, right = socket.socketpair()\n"
        "try: socket.create_connection(('127.0.0.1', 9), 1)\n"
        "except PermissionError as error: print('refused')"
    )
    assert "refused" in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout
    with Worker() as worker:
        assert worker.read(b"<p>Bread</p>", "bread.html", "html"), "and reads all the same"
