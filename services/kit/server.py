"""A server for an application: one that is the process, and one beside a process's own loop. Knows no routes."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LARGEST_HEAD = 64 * 1024
_GRACE_SECONDS = 10


class _BoundedHead(HttpToolsProtocol):
    """Ends a connection whose request line and headers do not end; the parser itself would take them for ever."""

    _head = 0

    def on_message_begin(self) -> None:
        self._head = 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head = 0
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        if self._head:
            self._head += len(data)
            if self._head > _LARGEST_HEAD:
                self.send_400_response("The request line and headers are too long.")
                return
        super().data_received(data)


def _config(app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        timeout_keep_alive=75,  # longer than pooled clients keep a connection, so that they are the ones to close it
        timeout_graceful_shutdown=_GRACE_SECONDS,
        http=_BoundedHead,
        lifespan="on",
    )


class _Server(uvicorn.Server):
    """Ends in order. The library's own gives the signal back when it has finished, which would end the process in the
    middle of what its caller still has to put away."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked)
        yield

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        self.should_exit = True  # a second signal, also while the caller puts things away, changes nothing


def serve(app: ASGIApp, *, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT, then finishes open requests and returns. Blocks; for the main thread only.
    Further signals are ignored from then on, so that what follows can be done in peace."""
    _Server(_config(app, host, port)).run()


class ThreadedServer:
    """A server beside a process's own loop, in a thread of its own with a loop of its own."""

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        config = _config(app, host, port)
        config.lifespan = "off"
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="ops-http", daemon=True)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        await self._server._serve()  # not serve(): signals belong to the main thread's loop

    def start(self) -> "ThreadedServer":
        self._thread.start()
        return self

    @property
    def is_listening(self) -> bool:
        """Whether it answers by now; `start` does not wait for that."""
        return self._server.started

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=_GRACE_SECONDS + 5)
