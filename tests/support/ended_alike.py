"""Invocations that were killed or cancelled, and others that failed with the same texts."""

from __future__ import annotations

from typing import Any

import httpx
from playhead.local import RestateServer
from waiting import until


def child_of(handlers: Any, id_: str) -> str:
    def children() -> list[dict[str, Any]]:
        return handlers.sql(f"SELECT id, status FROM sys_invocation WHERE invoked_by_id = '{id_}'")

    until(lambda: [row["status"] for row in children()] == ["suspended"], "the child waits")
    return children()[0]["id"]


def ended(handlers: Any, id_: str) -> bool:
    [row] = handlers.sql(f"SELECT status FROM sys_invocation WHERE id = '{id_}'")
    return row["status"] == "completed"


def stop(restate: RestateServer, handlers: Any, id_: str, how: str) -> None:
    httpx.patch(f"{restate.admin_url}/invocations/{id_}/{how}").raise_for_status()
    until(lambda: ended(handlers, id_), f"{how} ends it")


def ended_alike(handlers: Any, restate: RestateServer) -> dict[str, str]:
    """Kill, cancel, and fail with the same texts; return the true status of each invocation."""
    expected: dict[str, str] = {}
    for how, word in (("kill", "killed"), ("cancel", "cancelled")):
        parent = handlers.send("every/calls_naps", None)
        child = child_of(handlers, parent)
        stop(restate, handlers, child, how)
        until(lambda id_=parent: ended(handlers, id_), "the parent ends")
        expected |= {child: word, parent: "failed"}
        alike = handlers.finish("every/raises", {"text": word, "code": 409})
        expected[alike] = "failed"
    return expected
