"""Which ports can be listened on, and who holds the ones that cannot.

Knows sockets and the process table; knows nothing of what a port is for.
"""

import errno
import random
import socket

import psutil

FREE_RANGE = range(32_000, 32_700)
"""Below the range that the kernel hands to outgoing connections, so that a port found free stays free."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on the port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose old connections are still winding down counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def free_port(within: range = FREE_RANGE) -> int:
    """A port of the range that is free now, picked at random so that neighbours seldom pick the same."""
    for port in random.sample(within, k=min(200, len(within))):
        if is_free(port):
            return port
    raise OSError(errno.EADDRINUSE, f"no free port between {within.start} and {within.stop}")


def holder_of(port: int) -> str | None:
    """`name (process 4711)` of the process that listens on the port, where this user may see it."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.pid and connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,):
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        return None
    return None
