"""The sample agents on real servers without a recorder, and independent counts."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import httpx
from playhead_samples import effects, tool_faults
from playhead_samples.stack import Stack
from playhead_samples.tool_faults import ToolFault
from waiting import until

WAIT_SECONDS = 40.0
LLM_TIMEOUT = "1.0"


class Lab:
    def __init__(self, folder: Path, *only: str, agent_env: dict[str, str] | None = None) -> None:
        """Serve the agents of these files, or all; tracing is off unless `agent_env` sets it."""
        env = {"PLAYHEAD_LLM_TIMEOUT": LLM_TIMEOUT, **(agent_env or {})}
        self.stack = Stack(folder, only=only, agent_env=env, record=False)
        self.ingress_url = self.stack.settings.ingress_url
        self.llm_url = self.stack.llm_url
        self.agents = self.stack.agents
        self._numbers = itertools.count(1)

    def __enter__(self) -> Lab:
        self.stack.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stack.stop()

    def reset(self) -> None:
        """Remove all faults and counts."""
        self.set_tool_faults()
        self.stack.effects_file.unlink(missing_ok=True)
        for path in ("/control/faults", "/control/log"):
            httpx.delete(self.llm_url + path).raise_for_status()

    # -- requests

    def key(self, prefix: str = "key") -> str:
        return f"{prefix}-{next(self._numbers)}"

    def call(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        response = httpx.post(self.ingress_url + path, json=body, timeout=WAIT_SECONDS)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    def get(self, path: str) -> Any:
        """Call a handler that takes no input."""
        response = httpx.post(self.ingress_url + path, timeout=WAIT_SECONDS)
        assert response.is_success, response.text
        return response.json()

    def send(self, path: str, body: Any = None) -> str:
        return self.call(f"{path}/send", body, status=202)["invocationId"]

    def output(self, invocation_id: str) -> Any:
        return self.attach(f"invocation/{invocation_id}")

    def attach(self, what: str) -> Any:
        """Wait for the result of an invocation or a workflow and return it."""
        url = f"{self.ingress_url}/restate/{what}/attach"
        response = httpx.get(url, timeout=WAIT_SECONDS)
        assert response.is_success, response.text
        return response.json()

    def resolve(self, awakeable_id: str, value: Any) -> None:
        url = f"{self.ingress_url}/restate/awakeables/{awakeable_id}/resolve"
        httpx.post(url, json=value).raise_for_status()

    def cancel(self, invocation_id: str) -> None:
        self.stack.admin("PATCH", f"/invocations/{invocation_id}/cancel")

    def set_llm_fault(self, **fault: Any) -> None:
        """Inject a fault of the LLM."""
        httpx.post(f"{self.llm_url}/control/faults", json=fault).raise_for_status()

    def set_tool_faults(self, *faults: ToolFault) -> None:
        """Inject faults of the tools, and reset the call counts."""
        tool_faults.set_faults(self.stack.faults_file, list(faults))

    # -- counts

    def effects(self, name: str, **details: Any) -> int:
        return effects.count(self.stack.effects_file, name, **details)

    def effect_names(self) -> list[str]:
        return [e.name for e in effects.read(self.stack.effects_file)]

    def details(self, name: str) -> dict[str, Any]:
        """Wait for the only side effect with this name; return its details."""
        until(lambda: self.effects(name) > 0, f"{name} happened", seconds=WAIT_SECONDS)
        (found,) = [e.details for e in effects.read(self.stack.effects_file) if e.name == name]
        return found

    def llm_log(self, agent: str = "") -> list[dict[str, Any]]:
        parameters = {"agent": agent} if agent else {}
        return httpx.get(f"{self.llm_url}/control/log", params=parameters).json()

    def llm_counts(self) -> dict[str, Any]:
        return httpx.get(f"{self.llm_url}/control/counts").json()

    def sql(self, query: str) -> list[dict[str, Any]]:
        return self.stack.query(query)

    def invocation(self, invocation_id: str) -> dict[str, Any]:
        (row,) = self.sql(f"SELECT * FROM sys_invocation WHERE id = '{invocation_id}'")
        return row

    def steps(self, invocation_id: str) -> list[str]:
        """Return the names of the durable steps, in journal order."""
        rows = self.sql(
            f"SELECT name FROM sys_journal WHERE id = '{invocation_id}' "
            "AND entry_type = 'Command: Run' ORDER BY index"
        )
        return [row["name"] for row in rows]
