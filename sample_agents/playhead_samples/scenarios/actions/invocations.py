"""Actions on invocations: send, answer an approval, cancel, kill, resume."""

from __future__ import annotations

import json
import textwrap
import time
from dataclasses import dataclass
from typing import Any

from playhead_samples.scenarios.testbed.scenario_run import ScenarioError, ScenarioRun

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request to an agent without waiting for its answer."""

    path: str
    """Service, key (if there is one) and handler; `{key}` is replaced with the run's key."""
    message: Any = None
    """Text for agents that take `{"message": …}`; any other value is the body itself."""
    name: str = "run"
    """Name of the invocation for other actions and for expectations."""
    delay: str | None = None
    """Delay of the start by Restate, such as `2s`."""
    idempotency_key: str | None = None

    def __str__(self) -> str:
        delayed = f", to start in {self.delay}" if self.delay else ""
        text = "" if self.message is None else f": {textwrap.shorten(self._text(), 70)}"
        return f"send {self.name!r} to {self.path}{delayed}{text}"

    def _text(self) -> str:
        return self.message if isinstance(self.message, str) else json.dumps(self.message)

    def play(self, run: ScenarioRun) -> None:
        """Send the request and store its invocation id under `name`."""
        body: Any = {"message": self.message} if isinstance(self.message, str) else self.message
        body = json.loads(run.fill(json.dumps(body)))
        headers: dict[str, str] = {}
        if self.idempotency_key:
            headers["idempotency-key"] = run.fill(self.idempotency_key)
        path = f"{run.fill(self.path)}/send" + (f"?delay={self.delay}" if self.delay else "")
        run.sent_at[self.name] = time.time()
        answer = run.ingress(path, body, headers).json()
        run.invocations[self.name] = answer["invocationId"]
        run.report(f"  {self.name!r} is {answer['invocationId']}")


@dataclass(frozen=True, slots=True)
class FindChild:
    """Find the invocation that another one called, and name it."""

    service: str
    name: str
    of: str = "run"
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"wait until {self.of!r} calls {self.service}; name the call {self.name!r}"

    def play(self, run: ScenarioRun) -> None:
        """Wait until the invocation exists."""
        query = (
            f"SELECT id FROM sys_invocation WHERE invoked_by_id = '{run.invocation_id(self.of)}' "
            f"AND target_service_name = '{self.service}' ORDER BY created_at DESC LIMIT 1"
        )

        def found() -> bool:
            rows = run.query(query)
            if rows:
                run.invocations[self.name] = rows[0]["id"]
            return bool(rows)

        what = f"wait until {self.of!r} calls {self.service}"
        run.wait(found, seconds=self.seconds, what=what)
        run.report(f"  {self.name!r} is {run.invocations[self.name]}")


@dataclass(frozen=True, slots=True)
class AnswerApproval:
    """Answer an agent's request for approval, as a person would."""

    value: Any = True
    request: str = "request_review"
    """Side effect that contains the awakeable's id."""
    reject: str | None = None
    """Reject the awakeable with this reason instead of resolving it."""

    def __str__(self) -> str:
        if self.reject is not None:
            return f"reject the awakeable: {self.reject}"
        return f"resolve the awakeable with {json.dumps(self.value)}"

    def play(self, run: ScenarioRun) -> None:
        """Resolve or reject the awakeable of the latest request."""
        requests = [e for e in run.side_effects() if e.name == self.request]
        if not requests:
            raise ScenarioError(f"no approval was requested: no side effect {self.request!r} yet")
        verb = "resolve" if self.reject is None else "reject"
        body = self.value if self.reject is None else self.reject
        run.ingress(f"restate/awakeables/{requests[-1].details['awakeable_id']}/{verb}", body)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel an invocation; its handler can clean up."""

    name: str = "run"

    def __str__(self) -> str:
        return f"cancel {self.name!r}"

    def play(self, run: ScenarioRun) -> None:
        """Send the request to the server; the agent notices it at its next wait."""
        run.stack.admin("PATCH", f"/invocations/{run.invocation_id(self.name)}/cancel")


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill an invocation; its handler cannot clean up."""

    name: str = "run"

    def __str__(self) -> str:
        return f"kill {self.name!r}"

    def play(self, run: ScenarioRun) -> None:
        """Send the request to the server."""
        run.stack.admin("PATCH", f"/invocations/{run.invocation_id(self.name)}/kill")


@dataclass(frozen=True, slots=True)
class RestartAsNew:
    """Restart a completed invocation as a new one, with the same input."""

    new: str
    """Name of the new invocation."""
    name: str = "run"
    through: str | None = None
    """Copy the journal up to the first step with this name, with its result; None: the input."""

    def __str__(self) -> str:
        kept = f"its journal up to {self.through!r}" if self.through else "its input"
        return f"restart {self.name!r} as {self.new!r} with {kept}"

    def play(self, run: ScenarioRun) -> None:
        """Send the request to the server and store the new id under `new`."""
        path = f"/invocations/{run.invocation_id(self.name)}/restart-as-new"
        if self.through is not None:
            path += f"?from={self._index(run)}"
        run.invocations[self.new] = run.stack.admin("PATCH", path)["new_invocation_id"]
        run.report(f"  {self.new!r} is {run.invocations[self.new]}")

    def _index(self, run: ScenarioRun) -> int:
        rows = run.query(
            f"SELECT index FROM sys_journal WHERE id = '{run.invocation_id(self.name)}' "
            f"AND name = '{self.through}' AND entry_type LIKE 'Command:%' ORDER BY index LIMIT 1"
        )
        if not rows:
            raise ScenarioError(f"the journal of {self.name!r} has no step {self.through!r}")
        return int(rows[0]["index"])


@dataclass(frozen=True, slots=True)
class Resume:
    """Resume a paused invocation."""

    name: str = "run"
    latest: bool = False
    """Use the newest deployment instead of the one that the invocation started on."""

    def __str__(self) -> str:
        return f"resume {self.name!r}" + (" on the newest deployment" if self.latest else "")

    def play(self, run: ScenarioRun) -> None:
        """Send the request to the server."""
        query = "?deployment=latest" if self.latest else ""
        run.stack.admin("PATCH", f"/invocations/{run.invocation_id(self.name)}/resume{query}")
