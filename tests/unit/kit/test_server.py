"""A server takes no request whose head does not end."""

import socket
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from services.kit.server import ThreadedServer
from tests.ports import free_port
from tests.waiting import until


async def size(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def port() -> Iterator[int]:
    found = free_port()
    server = ThreadedServer(Starlette(routes=[Route("/", size, methods=["POST"])]), host="127.0.0.1", port=found)
    server.start()

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", found)) == 0

    until(listens)
    yield found
    server.stop()


def exchange(port: int, parts: list[bytes]) -> bytes:
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            while chunk := connection.recv(65_536):
                answer += chunk
        except ConnectionError:
            return answer or b"closed"
    return answer


@pytest.mark.parametrize("head", [b"POST / HTTP/1.1\r\nHost: a\r\nX: ", b"POST /"])
def test_a_head_without_end_is_cut_off(port: int, head: bytes) -> None:
    answer = exchange(port, [head, *[b"a" * 16_384] * 64])

    assert answer == b"closed" or answer.startswith(b"HTTP/1.1 400")


def test_a_long_body_behind_a_short_head_is_read(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1048576\r\n\r\n"

    assert exchange(port, [head, *[b"a" * 16_384] * 64]).endswith(b"1048576")
