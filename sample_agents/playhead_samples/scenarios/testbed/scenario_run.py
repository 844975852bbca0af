"""One run of a scenario on a stack: its invocations, faults and effects."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import httpx
from playhead import Client
from playhead.errors import PlayheadError

from playhead_samples import effects, tool_faults
from playhead_samples.llm.faults import LlmFault
from playhead_samples.scenarios.testbed.slow_proxy import SlowProxy
from playhead_samples.stack import Report, Stack
from playhead_samples.tool_faults import ToolFault

__all__ = ["ScenarioError", "ScenarioRun"]

POLL_SECONDS = 0.05
HTTP_SECONDS = 30.0
FAILURE_CHARACTERS = 120
SETTLED_SECONDS = 12.0
"""Time after an invocation's end by which its number of attempts is certain."""


class ScenarioError(PlayheadError):
    """An action of a scenario failed, or its condition was not met in time."""


class _ServerBusyError(ScenarioError):
    """The server cannot answer at the moment."""


TRANSIENT = (
    httpx.ConnectError,
    httpx.ReadError,
    httpx.RemoteProtocolError,
    httpx.ReadTimeout,
    _ServerBusyError,
)
"""Errors of a server that is starting or stopping."""


class ScenarioRun:
    """The stack as one scenario uses it. Counting starts when the object is created.

    The counts are the ground truth that Playhead is compared with, so they must not come from
    Playhead: `query` sends its own HTTP requests to Restate's SQL API instead of using
    `playhead.restate`.
    """

    def __init__(self, stack: Stack, name: str, report: Report) -> None:
        """Start counting, and remove the faults that an earlier scenario left."""
        self.stack = stack
        self.report = report
        self.key = f"{name}-{uuid.uuid4().hex[:6]}"
        """Unique per run; replaces `{key}` in paths and messages."""
        self.invocations: dict[str, str] = {}
        """Invocation ids by name of the request."""
        self.sent_at: dict[str, float] = {}
        self.started_at = time.time()
        self.ended_at: float | None = None
        self.cleanups: list[Callable[[], object]] = []
        """Undo the scenario's changes to the stack; run in reverse order."""
        self.server_spans_lost = False
        """Whether the server or the recorder was killed, which loses spans of attempts."""
        self.marker: str | None = None
        """Id of the last request, which shows that every earlier span has arrived."""
        self.journals_missing = False
        """Whether the recorder copies no journals, so that attempts are counted in spans alone."""
        self.agent_spans_lost = False
        """Whether agents or recorder were killed, which loses spans that were not sent yet."""
        self.slow_proxy: SlowProxy | None = None
        """Slow network between server and agents; None without one."""
        self._earlier_effects = len(effects.read(stack.effects_file))
        self._reported: dict[str, str] = {}
        self.remove_faults()
        self.llm_control("DELETE", "log")

    def fill(self, text: str) -> str:
        """Replace `{key}` with the key of this run."""
        return text.replace("{key}", self.key)

    def invocation_id(self, name: str) -> str:
        """Return the invocation id of a request. Raises ScenarioError."""
        try:
            return self.invocations[name]
        except KeyError:
            raise ScenarioError(f"no request named {name!r} was sent") from None

    # -- faults

    def set_faults(self, tools: Sequence[ToolFault], llm: Sequence[LlmFault]) -> None:
        """Inject these faults; each counts its calls from now on."""
        if tools:
            tool_faults.set_faults(self.stack.faults_file, list(tools))
        if llm:
            self.llm_control("POST", "faults", [asdict(fault) for fault in llm])

    def remove_faults(self) -> None:
        """Remove every fault of tools and LLM."""
        tool_faults.set_faults(self.stack.faults_file, [])
        self.llm_control("DELETE", "faults")

    # -- ground truth

    def llm_control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API of the local LLM server."""
        return _http(method, f"{self.stack.llm_url}/control/{path}", body=body).json()

    def llm_requests(self) -> list[dict[str, Any]]:
        """Return every request that reached the LLM server during this run."""
        log: list[dict[str, Any]] = self.llm_control("GET", "log")
        return [e for e in log if self.ended_at is None or _epoch(e["at"]) < self.ended_at]

    def side_effects(self) -> list[effects.Effect]:
        """Return every side effect of this run, oldest first."""
        found = effects.read(self.stack.effects_file)[self._earlier_effects :]
        return [e for e in found if self.ended_at is None or e.at < self.ended_at]

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Return rows of the server's own tables, read without Playhead's client."""
        url = f"{self.stack.settings.admin_url}/query"
        answer = _http("POST", url, body={"query": sql}, headers={"accept": "application/json"})
        rows: list[dict[str, Any]] = answer.json()["rows"]
        return rows

    def row(self, name: str) -> dict[str, Any]:
        """Return the sys_invocation row of a request; empty until the server has one."""
        rows = self.query(f"SELECT * FROM sys_invocation WHERE id = '{self.invocation_id(name)}'")
        if not rows:
            return {}
        self._report_change(name, rows[0])
        return rows[0]

    def status(self, name: str) -> str:
        """Return `succeeded` or `failed`, or the server's status while it has not completed."""
        row = self.row(name)
        if row.get("status") != "completed":
            return str(row.get("status", "unknown to the server"))
        return "succeeded" if row.get("completion_result") == "success" else "failed"

    def count_steps(self, name: str, step: str) -> int:
        """Count the journal's commands with this name, such as `Model call`."""
        rows = self.query(
            f"SELECT count(*) AS n FROM sys_journal WHERE id = '{self.invocation_id(name)}' "
            f"AND name = '{step}' AND entry_type LIKE 'Command:%'"
        )
        return int(rows[0]["n"])

    def events(self, name: str) -> list[str]:
        """Return the server's events of an invocation, as `TransientError {…}`."""
        rows = self.query(
            "SELECT event_type, event_json FROM sys_journal_events "
            f"WHERE id = '{self.invocation_id(name)}'"
        )
        return [f"{row['event_type']} {row['event_json']}" for row in rows]

    # -- spans in the store

    def spans(self, condition: str) -> list[dict[str, Any]]:
        """Return the recorder's finished spans that started during this run."""
        until = self.ended_at or time.time()
        return self.query_store(
            "SELECT name, span_id, invocation_id, status_code, attributes FROM spans "
            f"WHERE start_unix_nano >= {int(self.started_at * 1e9)} "
            f"AND start_unix_nano < {int(until * 1e9)} AND end_unix_nano > 0 AND ({condition})"
        )

    def query_store(self, sql: str) -> list[dict[str, Any]]:
        """Return rows of the store, through the recorder. Raises RecorderError."""
        with Client(settings=self.stack.settings) as client:
            return client.sql(sql)

    # -- requests

    def ingress(
        self, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send a POST request to the ingress. Raises ScenarioError."""
        return _http(
            "POST", f"{self.stack.settings.ingress_url}/{path}", body=body, headers=headers
        )

    def output(self, name: str) -> Any:
        """Return the result of a request that succeeded; None otherwise."""
        ingress = self.stack.settings.ingress_url
        response = httpx.get(
            f"{ingress}/restate/invocation/{self.invocation_id(name)}/output", timeout=HTTP_SECONDS
        )
        return json.loads(response.content) if response.is_success and response.content else None

    # -- course of the run

    def wait(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Wait until the condition is true. Raises ScenarioError after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except TRANSIENT:
                pass  # a server is being restarted
            if time.monotonic() > deadline:
                raise ScenarioError(f"timed out after {seconds:g} s: {what}")
            time.sleep(POLL_SECONDS)

    @property
    def settled(self) -> bool:
        """Whether the server had enough time to send all spans, so that figures are exact."""
        return self.ended_at is not None and time.time() > self.ended_at + SETTLED_SECONDS

    def stop_counting(self) -> None:
        """Exclude all later events from the counts."""
        self.ended_at = time.time()

    def start_server(self) -> None:
        """Start restate-server again and wait until it answers queries. Raises ProcessError."""
        if self.stack.restate is not None:
            self.stack.restate.start()
            self.wait(
                lambda: bool(self.query("SELECT count(*) FROM sys_invocation_status")),
                seconds=HTTP_SECONDS,
                what="wait until restate-server answers queries",
            )

    def restart_stopped(self) -> None:
        """Start the processes that the scenario stopped. Raises ProcessError."""
        server = self.stack.restate
        if server is not None and not server.process.running:
            self.start_server()
        if self.stack.record and not self.stack.recorder.running:
            self.stack.start_recorder()
        if not self.stack.agents.running:
            self.stack.start_agents()

    def clean_up(self) -> None:
        """Undo the scenario's changes to the stack."""
        while self.cleanups:
            self.cleanups.pop()()

    def _report_change(self, name: str, row: dict[str, Any]) -> None:
        """Report each change of an invocation's status once."""
        status = str(row["status"])
        if row.get("completion_result"):
            status = f"{status} ({row['completion_result']})"
        attempts = row.get("retry_count") or 0
        if attempts > 1 and status in ("backing-off", "running"):
            status = f"{status}, attempt {attempts} in a row"
        if row.get("last_failure") and status.startswith(("backing-off", "paused")):
            failure = str(row["last_failure"]).splitlines()[0]
            status = f"{status}: {failure[:FAILURE_CHARACTERS]}"
        if self._reported.get(name) != status:
            self._reported[name] = status
            self.report(f"  {name}: {status}")


def _http(
    method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    content = {} if body is None else {"json": body}
    response = httpx.request(method, url, headers=headers, timeout=HTTP_SECONDS, **content)
    if response.is_error:
        text = f"{method} {url}: {response.status_code} {response.text[:300]}"
        # A server that is starting may answer with an error although it is already healthy.
        busy = response.status_code >= 500 or response.status_code == 429
        raise (_ServerBusyError if busy else ScenarioError)(text)
    return response


def _epoch(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()
