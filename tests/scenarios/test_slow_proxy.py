"""The slow proxy: it delays every chunk, loses none, and can break connections."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from playhead_samples.scenarios.testbed.slow_proxy import SlowProxy

DELAY = 0.15


@pytest.fixture
def echo() -> Iterator[int]:
    """Port of a server that sends back every chunk."""
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


def receive(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = peer.recv(65536)
        assert piece, "the connection broke"
        data += piece
    return data


def test_all_data_arrives_late(echo: int) -> None:
    proxy = SlowProxy(echo, DELAY)
    try:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as peer:
            started = time.monotonic()
            peer.sendall(b"hello")
            assert receive(peer, 5) == b"hello"
            assert time.monotonic() - started >= 2 * DELAY
            big = bytes(range(256)) * 1000
            peer.sendall(big)
            assert receive(peer, len(big)) == big
    finally:
        proxy.close()


def test_cut_breaks_open_connections_and_accepts_new_ones(echo: int) -> None:
    proxy = SlowProxy(echo, 0.0)
    try:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as peer:
            peer.sendall(b"before")
            assert receive(peer, 6) == b"before"
            proxy.cut()
            with contextlib.suppress(ConnectionResetError):
                assert peer.recv(1) == b"", "the connection is still open"
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as peer:
            peer.sendall(b"after")
            assert receive(peer, 5) == b"after"
    finally:
        proxy.close()


def test_closed_proxy_does_not_listen(echo: int) -> None:
    proxy = SlowProxy(echo, 0.0)
    proxy.close()
    proxy.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
