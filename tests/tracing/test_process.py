"""The bridge with its default provider in a separate process: live view and shutdown."""

from __future__ import annotations

import signal
import sys
import time

import pytest
from tracing_bed import Bed
from tracing_otlp import Receiver
from waiting import until


@pytest.mark.parametrize("server", ["hypercorn", "uvicorn"])
def test_live_view_and_sigterm(bed: Bed, server: str) -> None:
    """An open span arrives within a second, is interrupted by SIGTERM, and the run continues."""
    key = f"process-{server}"
    bed.world.plan(key, ["slow once"])
    with (
        Receiver() as live,
        bed.process(server, {"PLAYHEAD_PENDING_SPANS": live.url}) as (own, child),
    ):
        invocation = own.start("Agents/ask", key)
        bed.world.wait(key, "chat 1", seconds=60)
        called = time.time_ns()
        live.wait(lambda rows: sum(r.name == "run Model call" for r in rows))
        arrived = time.time_ns()

        pending = list(live.rows)
        chat = next(r for r in pending if r.name == "chat scripted")
        assert arrived - called < 1_000_000_000
        assert {r.name for r in pending} >= {"invoke_agent main", "chat scripted"}
        for row in pending:
            assert row.attributes["playhead.pending"] is True
            assert row.end == 0
            assert row.attributes["restate.invocation.id"] == invocation
        assert not [r for r in bed.receiver.rows if "playhead.pending" in r.attributes]

        child.signal(signal.SIGTERM)
        bed.receiver.wait(lambda rows: any(r.span_id == chat.span_id for r in rows))
        if server == "hypercorn" and sys.version_info >= (3, 12, 1):
            child.kill()  # It waits for requests: https://github.com/pgjones/hypercorn/issues/308
        until(lambda: not child.running, "the process has ended", seconds=20)
        interrupted = [r for r in bed.receiver.rows if r.span_id == chat.span_id]
        assert len(interrupted) == 1, "the finished span replaces the pending one"
        assert interrupted[0].attributes["playhead.interrupted"] is True
        assert not interrupted[0].error
        assert "playhead.pending" not in interrupted[0].attributes
        assert interrupted[0].parent_span_id == chat.parent_span_id
        assert any(r.span_id == chat.parent_span_id for r in bed.receiver.rows)

        child.start()
        assert own.result(invocation)[1] == "slow once"
        rows = own.trace(invocation)
        models = bed.world.total(key, "chat")
        assert sum(r.name == "chat scripted" for r in rows) == models == 2
        assert sum(r.name == "run Model call" for r in rows) == models
