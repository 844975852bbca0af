"""Make the recordings in `v6/` and `v7/`: real journals of a real restate-server.

    python tests/recordings/make_recordings.py [NAME ...]

Starts a server for each version of the service protocol, and serves `handlers:app`. Sends the
request of each case, completes what the case waits for, and saves the journal.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.replay import Recording
from playhead.replay.child.operations import annotate
from playhead.replay.engine.app import App, load_app

HERE = Path(__file__).parent
PROTOCOLS = {"v6": {}, "v7": {"RESTATE_EXPERIMENTAL_ENABLE_PROTOCOL_V7": "true"}}
SECONDS = 30.0


class Server:
    """The restate-server, and the actions of cases on it."""

    def __init__(self, restate: RestateServer) -> None:
        self.restate = restate

    def query(self, sql: str) -> list[dict[str, Any]]:
        answer = httpx.post(
            f"{self.restate.admin_url}/query",
            json={"query": sql},
            headers={"accept": "application/json"},
        )
        answer.raise_for_status()
        return answer.json()["rows"]

    def send(self, path: str, body: Any) -> str:
        answer = httpx.post(
            f"{self.restate.ingress_url}/{path}/send",
            json=body,
            headers={"authorization": "Bearer a-secret"},
        )
        answer.raise_for_status()
        return answer.json()["invocationId"]

    def call(self, path: str, body: Any) -> Any:
        answer = httpx.post(f"{self.restate.ingress_url}/{path}", json=body, timeout=SECONDS)
        answer.raise_for_status()
        return answer.text

    def wait(self, what: str, ready: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if found := ready():
                return found
            time.sleep(0.02)
        raise TimeoutError(what)

    def entries(self, ident: str) -> list[dict[str, Any]]:
        return self.query(
            f"SELECT entry_type, name, entry_json FROM sys_journal WHERE id = '{ident}' "
            'ORDER BY "index"'
        )

    def has(self, ident: str, kind: str, count: int = 1) -> Callable[[], bool]:
        return lambda: [e["entry_type"] for e in self.entries(ident)].count(kind) >= count

    def ended(self, ident: str) -> Callable[[], bool]:
        sql = f"SELECT status FROM sys_invocation WHERE id = '{ident}'"
        return lambda: [r["status"] for r in self.query(sql)] == ["completed"]


def resolve(server: Server, ident: str) -> None:
    """Answer the awakeable whose id the step `ask` returned."""
    server.wait("asked", server.has(ident, "Notification: Run"))
    entry = next(e for e in server.entries(ident) if e["entry_type"] == "Notification: Run")
    result = json.loads(entry["entry_json"])["Notification"]["Completion"]["Run"]["result"]
    awakeable = json.loads(bytes(result["Success"]))
    httpx.post(
        f"{server.restate.ingress_url}/restate/awakeables/{awakeable}/resolve", json="approved"
    ).raise_for_status()


def cancel(server: Server, ident: str) -> None:
    server.wait("asleep", server.has(ident, "Command: Sleep"))
    httpx.patch(f"{server.restate.admin_url}/invocations/{ident}/cancel").raise_for_status()


def pay(server: Server, ident: str) -> None:
    server.wait("waiting", server.has(ident, "Command: GetPromise"))
    server.call("Order/o-1/pay", "card")


@dataclass(frozen=True)
class Case:
    """A request, and the actions until it has ended."""

    path: str
    body: Any = "Ada"
    before: Callable[[Server], object] | None = None
    meanwhile: Callable[[Server, str], object] | None = None
    until: str | None = None
    """Entry of the journal to stop at; by default, the end."""


CASES: dict[str, Case] = {
    **{
        name: Case(f"Things/{name}")
        for name in (
            "run_ok", "run_terminal", "run_retried", "run_exhausted", "fails", "helpers", "sleeps",
            "calls", "sends", "attaches", "cancels_other", "awakeable_ok", "awakeable_rejected",
            "approval_or_timeout", "signals", "gathers", "selects", "as_they_come", "tasks",
        )
    },
    "approval": Case("Things/approval", meanwhile=resolve),
    "approval_waiting": Case("Things/approval", until="Notification: Run"),
    "cancelled": Case("Things/cancelled", meanwhile=cancel),
    "state": Case("Counter/everything/everything"),
    "state_add": Case("Counter/adds/add", 3, before=lambda s: s.call("Counter/adds/add", 2)),
    "state_look": Case("Counter/looks/look", None, before=lambda s: s.call("Counter/looks/add", 2)),
    "state_lazy": Case("Lazy/one/lazily", before=lambda s: s.call("Lazy/one/lazily", "before")),
    "trip": Case("Counter/traveller/trip", "Oslo"),
    "workflow": Case("Order/o-1/place", "book", meanwhile=pay),
    "explicit_recovery": Case("Fresh/anew"),
}  # fmt: skip


def record(server: Server, app: App, name: str, case: Case, folder: Path) -> None:
    """Send the request, wait, and save the journal."""
    if case.before:
        case.before(server)
    ident = server.send(case.path, case.body)
    if case.meanwhile:
        case.meanwhile(server, ident)
    server.wait(name, server.has(ident, case.until) if case.until else server.ended(ident))
    recording = asyncio.run(Recording.fetch(server.restate.admin_url, ident))
    version = recording.invocation["pinned_service_protocol_version"]
    assert f"v{version}" == folder.name, f"{name} was recorded in protocol v{version}"
    annotate(app, without_paths(recording)).save(folder / f"{name}.journal.json")
    print(f"{folder.name}/{name}: {len(recording.entries)} entries")  # noqa: T201


def without_paths(recording: Recording) -> Recording:
    """Remove stack traces, which name the machine's folders."""
    folders = [str(HERE), sys.prefix, str(Path(json.__file__).parents[1])]

    def cleaned(value: Any) -> Any:
        for folder in folders if isinstance(value, str) else ():
            value = value.replace(folder, "...")
        return value

    events = ({name: cleaned(value) for name, value in e.items()} for e in recording.events)
    return replace(recording, events=tuple(events))


def main(names: list[str]) -> None:
    """Record the named cases, or all, in every version."""
    loaded = load_app("handlers:app", str(HERE))
    cases = {n: c for n, c in CASES.items() if not names or n in names}
    for version, env in PROTOCOLS.items():
        with tempfile.TemporaryDirectory() as scratch:
            work, port = Path(scratch), free_port()
            app = ManagedProcess(
                "handlers",
                [sys.executable, "-m", "hypercorn", "handlers:app", "-b", f"127.0.0.1:{port}"],
                log=work / "app.log",
                cwd=HERE,
            )
            with RestateServer(work / "restate", env=env) as restate, app:
                app.wait_until(lambda: listens(port), seconds=SECONDS, what="it listened")
                restate.register(f"http://127.0.0.1:{port}")
                for name, case in cases.items():
                    record(Server(restate), loaded, name, case, HERE / version)


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main(sys.argv[1:])
