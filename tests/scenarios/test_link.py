"""The slow line: late, whole, and breakable."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from playhead_samples.scenarios.slow_link import SlowLink

DELAY = 0.15


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(peer,), daemon=True).start()

        def answer(peer: socket.socket) -> None:
            with peer:
                try:
                    while data := peer.recv(65536):
                        peer.sendall(data)
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def whole(peer: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        piece = peer.recv(65536)
        assert piece, "the line broke"
        got += piece
    return got


def test_everything_arrives_but_late(echo: int) -> None:
    link = SlowLink(echo, DELAY)
    try:
        with socket.create_connection(("127.0.0.1", link.port), timeout=10) as peer:
            started = time.monotonic()
            peer.sendall(b"hello")
            assert whole(peer, 5) == b"hello"
            assert time.monotonic() - started >= 2 * DELAY
            big = bytes(range(256)) * 1000
            peer.sendall(big)
            assert whole(peer, len(big)) == big
    finally:
        link.close()


def test_a_cut_breaks_what_is_there_and_leaves_room_for_more(echo: int) -> None:
    link = SlowLink(echo, 0.0)
    try:
        with socket.create_connection(("127.0.0.1", link.port), timeout=10) as peer:
            peer.sendall(b"before")
            assert whole(peer, 6) == b"before"
            link.cut()
            with contextlib.suppress(ConnectionResetError):
                assert peer.recv(1) == b"", "the line is whole"
        with socket.create_connection(("127.0.0.1", link.port), timeout=10) as peer:
            peer.sendall(b"after")
            assert whole(peer, 5) == b"after"
    finally:
        link.close()


def test_closed_it_listens_no_more(echo: int) -> None:
    link = SlowLink(echo, 0.0)
    link.close()
    link.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", link.port), timeout=10)
