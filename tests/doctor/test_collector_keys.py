"""Keys of the Collector's targets, in the variables of otel-collector.yaml."""

from __future__ import annotations

import base64

import pytest
from playhead.doctor.collector import METRICS_PORT, collector
from playhead.local import free_port

LANGFUSE = "[file/archive, otlp_http/langfuse]"


async def findings(exporters: str, **environ: str) -> list[str]:
    port = {METRICS_PORT: str(free_port())}
    checks = await collector({"PLAYHEAD_COLLECTOR_EXPORTERS": exporters, **port, **environ})
    assert {check.problem for check in checks} <= {"collector-key-missing"}
    return [check.finding for check in checks]


async def test_missing_keys_are_named() -> None:
    both = await findings("[otlp_http/langfuse, otlp_http/logfire]", LOGFIRE_TOKEN="")
    assert both == [
        "PLAYHEAD_COLLECTOR_EXPORTERS has otlp_http/langfuse, and LANGFUSE_AUTH is not set",
        "PLAYHEAD_COLLECTOR_EXPORTERS has otlp_http/logfire, and LOGFIRE_TOKEN is not set",
    ]


@pytest.mark.parametrize("key", ["pk-lf-1:sk-lf-2", "cGstbGYtMQ==", "%%%", "w7"])
async def test_a_langfuse_key_of_another_form_is_named_and_not_shown(key: str) -> None:
    [finding] = await findings(LANGFUSE, LANGFUSE_AUTH=key)
    assert finding == "LANGFUSE_AUTH is not the base64 form of PUBLIC_KEY:SECRET_KEY"
    # The file of the target switches it on, too.
    assert await findings("", LANGFUSE_AUTH=key) == [finding]


async def test_keys_that_are_set_pass() -> None:
    key = base64.b64encode(b"pk-lf-1:sk-lf-2").decode()
    assert await findings(LANGFUSE, LANGFUSE_AUTH=key) == []
    assert await findings("[otlp_grpc/jaeger, otlp_http/phoenix]") == []
    assert await findings("") == []
