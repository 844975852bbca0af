"""The processes that the samples need, and what they count independently of each other."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead_samples import effects
from playhead_samples import tool_faults as faults

WAIT_SECONDS = 40.0
LLM_TIMEOUT = "1.0"


class Lab:
    def __init__(self, folder: Path, *only: str, agents_env: dict[str, str] | None = None) -> None:
        """With agents of these files alone, or all; without tracing unless given variables."""
        self.folder = folder
        self.effects_file = folder / "effects.jsonl"
        self.faults_file = folder / "faults.json"
        self.restate = RestateServer(folder / "restate")
        self.llm_url = f"http://127.0.0.1:{free_port()}"
        self.agents_url = f"http://127.0.0.1:{free_port()}"
        self.llm = self._child("playhead_samples.llm", self.llm_url, {})
        self.agents = self._child(
            "playhead_samples",
            self.agents_url,
            {
                "PLAYHEAD_LLM_URL": self.llm_url,
                "PLAYHEAD_LLM_TIMEOUT": LLM_TIMEOUT,
                "PLAYHEAD_EFFECTS": str(self.effects_file),
                "PLAYHEAD_FAULTS": str(self.faults_file),
                **(agents_env or {"OTEL_SDK_DISABLED": "true"}),
            },
            *(part for name in only for part in ("--only", name)),
        )
        self._numbers = itertools.count(1)

    def __enter__(self) -> Lab:
        with contextlib.ExitStack() as stack:
            for part in (self.llm, self.agents, self.restate):
                stack.enter_context(part)
            self._wait_for(self.llm, f"{self.llm_url}/control/health")
            self._wait_for(self.agents, f"{self.agents_url}/health")
            self.restate.register(self.agents_url)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def reset(self) -> None:
        self.faults()
        self.effects_file.unlink(missing_ok=True)
        for path in ("/control/faults", "/control/log"):
            httpx.delete(self.llm_url + path).raise_for_status()

    # What a test does

    def key(self, prefix: str = "key") -> str:
        return f"{prefix}-{next(self._numbers)}"

    def call(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        response = httpx.post(self.restate.ingress_url + path, json=body, timeout=WAIT_SECONDS)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    def get(self, path: str) -> Any:
        """Call a handler without input."""
        response = httpx.post(self.restate.ingress_url + path, timeout=WAIT_SECONDS)
        assert response.is_success, response.text
        return response.json()

    def send(self, path: str, body: Any = None) -> str:
        return self.call(f"{path}/send", body, status=202)["invocationId"]

    def output(self, invocation_id: str) -> Any:
        return self.attach(f"invocation/{invocation_id}")

    def attach(self, what: str) -> Any:
        """Wait for the result of an invocation or a workflow."""
        url = f"{self.restate.ingress_url}/restate/{what}/attach"
        response = httpx.get(url, timeout=WAIT_SECONDS)
        assert response.is_success, response.text
        return response.json()

    def resolve(self, awakeable_id: str, value: Any) -> None:
        url = f"{self.restate.ingress_url}/restate/awakeables/{awakeable_id}/resolve"
        httpx.post(url, json=value).raise_for_status()

    def cancel(self, invocation_id: str) -> None:
        url = f"{self.restate.admin_url}/invocations/{invocation_id}/cancel"
        httpx.patch(url).raise_for_status()

    def arm(self, **fault: Any) -> None:
        """Place a fault of the model."""
        httpx.post(f"{self.llm_url}/control/faults", json=fault).raise_for_status()

    def faults(self, *declared: faults.Fault) -> None:
        """Place faults of the tools, and count calls from zero."""
        faults.declare(self.faults_file, list(declared))

    def restart_agents(self) -> None:
        self.agents.kill()
        self.agents.start()
        self._wait_for(self.agents, f"{self.agents_url}/health")

    # What counts by itself

    def effects(self, name: str, **details: Any) -> int:
        return effects.count(self.effects_file, name, **details)

    def effect_names(self) -> list[str]:
        return [e.name for e in effects.read(self.effects_file)]

    def details(self, name: str) -> dict[str, Any]:
        """Details of the only side effect of this name, for which we wait."""
        self.until(lambda: self.effects(name) > 0, f"{name} happened")
        (found,) = [e.details for e in effects.read(self.effects_file) if e.name == name]
        return found

    def llm_log(self, agent: str = "") -> list[dict[str, Any]]:
        parameters = {"agent": agent} if agent else {}
        return httpx.get(f"{self.llm_url}/control/log", params=parameters).json()

    def llm_counts(self) -> dict[str, Any]:
        return httpx.get(f"{self.llm_url}/control/counts").json()

    def sql(self, query: str) -> list[dict[str, Any]]:
        response = httpx.post(
            f"{self.restate.admin_url}/query",
            json={"query": query},
            headers={"accept": "application/json"},
        )
        assert response.is_success, response.text
        return response.json()["rows"]

    def invocation(self, invocation_id: str) -> dict[str, Any]:
        (row,) = self.sql(f"SELECT * FROM sys_invocation WHERE id = '{invocation_id}'")
        return row

    def steps(self, invocation_id: str) -> list[str]:
        """Names of the durable steps, in journal order."""
        rows = self.sql(
            f"SELECT name FROM sys_journal WHERE id = '{invocation_id}' "
            "AND entry_type = 'Command: Run' ORDER BY index"
        )
        return [row["name"] for row in rows]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain until {what}"
            time.sleep(0.02)

    def _child(self, module: str, url: str, env: dict[str, str], *options: str) -> ManagedProcess:
        port = url.rpartition(":")[2]
        command = [sys.executable, "-m", module, "--port", port, *options]
        return ManagedProcess(module, command, log=self.folder / f"{module}.log", env=env)

    def _wait_for(self, child: ManagedProcess, url: str) -> None:
        def answers() -> bool:
            try:
                return httpx.get(url).is_success
            except httpx.HTTPError:
                return False

        child.wait_until(answers, seconds=60, what="it answered")
