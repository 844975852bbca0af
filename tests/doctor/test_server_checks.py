"""Checks of the doctor for a server that does not trace."""

from __future__ import annotations

from typing import Any

from playhead.doctor.server import server
from playhead.doctor.spans import spans
from playhead.local import RestateServer
from playhead.restate.client import RestateClient


async def test_a_server_without_tracing(handlers: Any, client: RestateClient) -> None:
    handlers.finish("every/everything", {"key": "doctor"})
    checks = {check.name: check for check in await server(client)}
    assert {name: check.state for name, check in checks.items()} == dict.fromkeys(
        ("restate", "version", "ingress", "deployments", "clock"), "passed"
    )
    [off, *rest] = await spans(client, None, 4318)
    assert (off.name, off.state) == ("server spans", "failed")
    assert "tracing is off" in off.finding
    assert "otlp+http://127.0.0.1:4318/v1/traces" in off.hint
    assert {check.state for check in rest} == {"skipped"}


async def test_a_new_server(own_restate: RestateServer) -> None:
    async with RestateClient(own_restate.admin_url) as client:
        checks = {check.name: check for check in await server(client)}
        assert checks["deployments"].state == "warning"
        assert "no service is registered" in checks["deployments"].finding
        assert checks["ingress"].state == "skipped"
        assert {check.state for check in await spans(client, None, 4318)} == {"skipped"}
