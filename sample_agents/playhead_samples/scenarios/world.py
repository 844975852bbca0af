"""What actions act on and expectations look at: a stack, and what this scenario did on it."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import httpx
from playhead.record import client as recorder

from playhead_samples import effects
from playhead_samples import tool_faults as faults
from playhead_samples.scenarios.scenario import ModelFault, ScenarioError, ToolFault
from playhead_samples.scenarios.slow_link import SlowLink
from playhead_samples.stack import Stack

__all__ = ["POLL_SECONDS", "World"]

POLL_SECONDS = 0.05
HTTP_SECONDS = 30.0


class _BusyError(ScenarioError):
    """The server cannot answer at the moment."""


ON_ITS_WAY = (
    httpx.ConnectError,
    httpx.ReadError,
    httpx.RemoteProtocolError,
    httpx.ReadTimeout,
    _BusyError,
)
"""How a server looks that is on its way up or down."""


class World:
    """One scenario's view of a running stack. Counts begin when it is made."""

    def __init__(self, stack: Stack, name: str, say: Callable[[str], None]) -> None:
        """Start counting; lifts the faults that a former scenario left."""
        self.stack = stack
        self.say = say
        self.key = f"{name}-{uuid.uuid4().hex[:6]}"
        """Fresh in every run; stands for `{key}` in paths and messages."""
        self.invocations: dict[str, str] = {}
        """Name of a request to its invocation id."""
        self.sent_at: dict[str, float] = {}
        self.started = time.time()
        self.ended: float | None = None
        self.closing: list[Callable[[], None]] = []
        """What must be undone at the end, last first."""
        self.line: SlowLink | None = None
        """The slow line between server and agents, while there is one."""
        self._effects_before = len(effects.read(stack.effects_file))
        self._seen: dict[str, str] = {}
        self.lift_faults()
        self.model("DELETE", "log")

    def fill(self, text: str) -> str:
        """The text with this run's key in place of `{key}`."""
        return text.replace("{key}", self.key)

    def id_of(self, name: str) -> str:
        """The invocation of the request of this name. Raises ScenarioError."""
        try:
            return self.invocations[name]
        except KeyError:
            raise ScenarioError(f"no request called {name!r} was sent") from None

    # -- faults

    def arm(self, tools: Sequence[ToolFault], model: Sequence[ModelFault]) -> None:
        """Declare these faults; each counts from now."""
        if tools:
            faults.declare(self.stack.faults_file, list(tools))
        if model:
            self.model("POST", "faults", [asdict(fault) for fault in model])

    def lift_faults(self) -> None:
        """No fault of a tool or of the LLM from here on."""
        faults.declare(self.stack.faults_file, [])
        self.model("DELETE", "faults")

    # -- sources of truth

    def model(self, method: str, what: str, body: Any = None) -> Any:
        """The control address of the local LLM server."""
        return self._http(method, f"{self.stack.llm_url}/control/{what}", json_body=body).json()

    def model_log(self) -> list[dict[str, Any]]:
        """Every request that reached the LLM server in this scenario."""
        log: list[dict[str, Any]] = self.model("GET", "log")
        return [e for e in log if self.ended is None or _epoch(e["at"]) < self.ended]

    def effects(self) -> list[effects.Effect]:
        """Every side effect of this scenario, oldest first."""
        found = effects.read(self.stack.effects_file)[self._effects_before :]
        return [e for e in found if self.ended is None or e.at < self.ended]

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Rows of the server's own SQL."""
        response = self._http(
            "POST",
            f"{self.stack.settings.admin_url}/query",
            json_body={"query": query},
            headers={"accept": "application/json"},
        )
        rows: list[dict[str, Any]] = response.json()["rows"]
        return rows

    def row(self, name: str) -> dict[str, Any]:
        """The sys_invocation row of a request; empty while the server does not know it."""
        rows = self.sql(f"SELECT * FROM sys_invocation WHERE id = '{self.id_of(name)}'")
        if not rows:
            return {}
        self._follow(name, rows[0])
        return rows[0]

    def status(self, name: str) -> str:
        """`succeeded` or `failed`, or the server's word for an invocation that has not ended."""
        row = self.row(name)
        if row.get("status") != "completed":
            return str(row.get("status", "unknown to the server"))
        return "succeeded" if row.get("completion_result") == "success" else "failed"

    def steps(self, name: str, step: str) -> int:
        """How many commands of the journal have this name, such as `Model call`."""
        rows = self.sql(
            f"SELECT count(*) AS n FROM sys_journal WHERE id = '{self.id_of(name)}' "
            f"AND name = '{step}' AND entry_type LIKE 'Command:%'"
        )
        return int(rows[0]["n"])

    def events(self, name: str) -> list[str]:
        """What the server noted at an invocation, as `TransientError {…}`."""
        rows = self.sql(
            f"SELECT event_type, event_json FROM sys_journal_events WHERE id = '{self.id_of(name)}'"
        )
        return [f"{row['event_type']} {row['event_json']}" for row in rows]

    def spans(self, condition: str) -> list[dict[str, Any]]:
        """The recorder's finished spans that began during this scenario."""
        until = self.ended or time.time()
        return self.recorded(
            "SELECT name, span_id, invocation_id, status_code, attributes FROM spans "
            f"WHERE start_unix_nano >= {int(self.started * 1e9)} "
            f"AND start_unix_nano < {int(until * 1e9)} AND end_unix_nano > 0 AND ({condition})"
        )

    def recorded(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the recorder."""

        async def ask() -> list[dict[str, Any]]:
            source = await recorder.connect(self.stack.settings)
            if source is None:
                raise ScenarioError("the recorder does not answer")
            try:
                return await source.rows(sql)
            finally:
                await source.close()

        return asyncio.run(ask())

    # -- talking to Restate

    def ingress(
        self, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """POST to the ingress. Raises ScenarioError."""
        url = f"{self.stack.settings.ingress_url}/{path}"
        return self._http("POST", url, json_body=body, headers=headers)

    def admin(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A request to the admin API. Raises ScenarioError."""
        return self._http(method, f"{self.stack.settings.admin_url}/{path}", json_body=body)

    def output(self, name: str) -> Any:
        """The result of a request that succeeded; None otherwise."""
        url = f"{self.stack.settings.ingress_url}/restate/invocation/{self.id_of(name)}/output"
        response = httpx.get(url, timeout=HTTP_SECONDS)
        return json.loads(response.content) if response.is_success and response.content else None

    def wait(self, holds: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Wait until it holds. Raises ScenarioError after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if holds():
                    return
            except ON_ITS_WAY:
                pass  # a server is being restarted
            if time.monotonic() > deadline:
                raise ScenarioError(f"{what}: not within {seconds:g} s")
            time.sleep(POLL_SECONDS)

    def end(self) -> None:
        """Stop counting: what happens from here on is no part of the scenario."""
        self.ended = time.time()

    def start_server(self) -> None:
        """Start restate-server again and wait until it answers queries. Raises ProcessError."""
        if self.stack.restate is not None:
            self.stack.restate.start()
            self.wait(
                lambda: bool(self.sql("SELECT count(*) FROM sys_invocation_status")),
                seconds=HTTP_SECONDS,
                what="restate-server answers queries",
            )

    def restore(self) -> None:
        """Start again what was stopped. Raises ProcessError."""
        server = self.stack.restate
        if server is not None and not server.process.running:
            self.start_server()
        if not self.stack.agents.running:
            self.stack.start_agents()

    def close(self) -> None:
        """Undo what the scenario changed in the stack."""
        while self.closing:
            self.closing.pop()()

    def _follow(self, name: str, row: dict[str, Any]) -> None:
        """Tell once whenever the server's view of an invocation changes."""
        state = str(row["status"])
        if row.get("completion_result"):
            state = f"{state} ({row['completion_result']})"
        tries = row.get("retry_count") or 0
        if tries > 1 and state in ("backing-off", "running"):
            state = f"{state}, try {tries}"
        if row.get("last_failure") and state.startswith(("backing-off", "paused")):
            state = f"{state}: {str(row['last_failure']).splitlines()[0][:120]}"
        if self._seen.get(name) != state:
            self._seen[name] = state
            self.say(f"  {name}: {state}")

    @staticmethod
    def _http(
        method: str,
        url: str,
        *,
        json_body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        given = {} if json_body is None else {"json": json_body}
        response = httpx.request(method, url, headers=headers, timeout=HTTP_SECONDS, **given)
        if response.is_error:
            text = f"{method} {url}: {response.status_code} {response.text[:300]}"
            # A server on its way up answers so, although it is healthy already.
            busy = response.status_code >= 500 or response.status_code == 429
            raise (_BusyError if busy else ScenarioError)(text)
        return response


def _epoch(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()
