"""Find, start and restart a restate-server, and report errors."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest
from playhead.errors import ProcessError, RefusedError, ServerNotFoundError
from playhead.local import RestateServer, find_server, free_port, port_is_free, ports
from playhead.local import server as server_module
from waiting import until


def test_a_server_answers_on_free_ports(restate: RestateServer) -> None:
    version = httpx.get(f"{restate.admin_url}/version").json()
    assert version["ingress_endpoint"].rstrip("/") == restate.ingress_url
    assert not port_is_free(restate.admin_port)


def test_a_restart_keeps_ports_and_data(own_restate: RestateServer) -> None:
    before = httpx.get(f"{own_restate.admin_url}/cluster-health").json()
    first_pid = own_restate.process.pid
    own_restate.kill()
    assert port_is_free(own_restate.admin_port)
    own_restate.start()
    assert own_restate.process.pid != first_pid
    assert httpx.get(f"{own_restate.admin_url}/cluster-health").json() == before


def test_a_server_leaves_no_folders_outside_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.setenv("TMPDIR", str(outside))
    inside = tmp_path / "restate" / "data" / "tmp"
    own = tmp_path / "restate" / "tmp" / "invoker-of-somebody"
    own.mkdir(parents=True)
    # One folder for each partition.
    with RestateServer(tmp_path / "restate") as server:
        until(lambda: len(list(inside.iterdir())) == 4, "the server has made its folders")
        server.kill()
        server.start()
        until(lambda: len(list(inside.iterdir())) == 4, "the server has made them again")
    assert list(outside.iterdir()) == []
    assert own.exists()


def test_settings_of_the_user_do_not_leak_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTATE_ADMIN__BIND_PORT", "1")
    with RestateServer(tmp_path) as server:
        assert httpx.get(f"{server.admin_url}/health").is_success


def test_a_server_that_does_not_come_up_shows_its_log(tmp_path: Path) -> None:
    server = RestateServer(tmp_path, env={"RESTATE_DEFAULT_NUM_PARTITIONS": "many"})
    with pytest.raises(ProcessError, match=r"(?s)restate-server ended.*Last lines of"):
        server.start()
    assert not server.process.running


def test_a_refused_registration_gives_the_reason(restate: RestateServer) -> None:
    with pytest.raises(RefusedError, match=r"refused http://127\.0\.0\.1:1"):
        restate.register("http://127.0.0.1:1")


def test_a_missing_server_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(server_module, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    with pytest.raises(ServerNotFoundError, match="make install"):
        find_server(tmp_path)


def test_a_server_on_path_takes_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "restate-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server() == program


def test_free_ports_are_none_that_outgoing_connections_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [free_port() for _ in range(20)]
    assert len(set(found)) == 20
    assert all(port_is_free(port) for port in found)
    assert max(found) < 32_768  # first port of Linux's default range
    taken = found[0]
    monkeypatch.setattr(ports, "PORTS", [taken] * 100)
    assert free_port() == taken
    with socket.create_server((ports.LOOPBACK, taken)):
        assert free_port() != taken
