"""Refuses connections to anything but this machine, in the process of a server or a command."""

# Imported by Python at start-up in the processes under test. Records every attempt and refuses it.
GUARD = """
import os, socket

def _refuse(address):
    with open(os.environ["GUARD_LOG"], "a") as log:
        log.write(f"{address!r}\\n")
    raise OSError(f"refused by the test: {address!r}")

def _is_local(host):
    return host in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::")

class Guarded(socket.socket):
    def connect(self, address):
        if self.family != getattr(socket, "AF_UNIX", None) and not _is_local(address[0]):
            _refuse(address)
        return super().connect(address)

    def connect_ex(self, address):
        if self.family != getattr(socket, "AF_UNIX", None) and not _is_local(address[0]):
            _refuse(address)
        return super().connect_ex(address)

    def sendto(self, data, *rest):
        if not _is_local(rest[-1][0]):
            _refuse(rest[-1])
        return super().sendto(data, *rest)

_getaddrinfo = socket.getaddrinfo

def getaddrinfo(host, *rest, **more):
    if not _is_local(host.decode() if isinstance(host, bytes) else host):
        _refuse(host)
    return _getaddrinfo(host, *rest, **more)

socket.socket = Guarded
socket.getaddrinfo = getaddrinfo
"""
