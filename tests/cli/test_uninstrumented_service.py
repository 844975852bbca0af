"""A service without the bridge: the doctor names it, and LLM calls are counted from journals."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playhead.local import ManagedProcess, free_port
from waiting import until

SERVICE = Path(__file__).resolve().parents[1] / "support" / "journal_service.py"


@pytest.fixture(scope="module")
def bare(cli: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Completed invocation of a service without the bridge, copied by the recorder."""
    port = free_port()
    log = tmp_path_factory.mktemp("bare") / "service.log"
    child = ManagedProcess("service", [sys.executable, SERVICE, str(port)], log=log).start()

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/restate/health").status_code < 600
        except httpx.HTTPError:
            return False

    try:
        child.wait_until(answers, seconds=60, what="it answered")
        assert cli.stack.restate is not None
        cli.stack.restate.register(f"http://127.0.0.1:{port}")
        ingress = cli.stack.settings.ingress_url
        sent = httpx.post(f"{ingress}/ai/ask/send", json="Weather?", timeout=30)
        id_: str = sent.json()["invocationId"]
        httpx.get(f"{ingress}/restate/invocation/{id_}/attach", timeout=30).raise_for_status()
        copied = (
            f"SELECT count(*) AS n FROM journal WHERE id = '{id_}'"
            " AND entry_type = 'Command: Output'"
        )
        until(
            lambda: json.loads(cli("sql", "--json", copied).stdout)[0]["n"],
            "the recorder copied the journal",
        )
        yield id_
    finally:
        child.kill()


def test_calls_are_counted_from_the_journal(cli: Any, bare: str) -> None:
    listed = json.loads(cli("ls", "--json", "--service", "ai").stdout)["invocations"]
    shown = json.loads(cli("show", bare, "--json").stdout)
    assert [row["id"] for row in listed] == [bare]
    for row in (listed[0], shown["summary"]):
        assert row["llm_calls"] == 2
        assert row["tokens"] == {"input": 400, "output": 14}
    assert [step["llm"]["text"] for step in shown["steps"] if step["llm"]] == [
        "I look it up.", "20 degrees.",
    ]  # fmt: skip


def test_doctor_names_the_service(cli: Any, bare: str) -> None:
    document = json.loads(cli("doctor", "--json", code=1).stdout)
    [fault] = [check for check in document["checks"] if check["state"] == "failed"]
    assert fault["name"] == "agent spans"
    assert "none from ai" in fault["finding"]
    assert "playhead_tracing.instrument" in fault["hint"]
