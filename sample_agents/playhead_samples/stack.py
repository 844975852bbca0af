"""The local processes that the demo and the scenarios run on, on free ports of 127.0.0.1.

A recorder, a restate-server that sends its traces to it, the local LLM server, and the sample
agents, registered with the server. Not here: the requests that are sent to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from playhead.errors import RestateError
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.record.process import recorder_process, wait_for_recorder
from playhead.restate.client import RestateClient
from playhead.restate.deployments import register_deployment, remove_deployment
from playhead.settings import Settings

from playhead_samples.collector import Collector

__all__ = ["Report", "Stack"]

START_SECONDS = 60.0
STOP_SECONDS = 5.0

Report = Callable[[str], None]
"""Receives one line of progress."""


class Stack:
    """The processes, as one context manager. Leaving it stops them in order."""

    def __init__(
        self,
        folder: Path,
        *,
        external: Settings | None = None,
        agent_env: dict[str, str] | None = None,
        server_env: dict[str, str] | None = None,
        recorder_admin_url: str | None = None,
        only: Sequence[str] = (),
        record: bool = True,
        collector: Sequence[str] | None = None,
        otlp_url: str | None = None,
        report: Report = lambda line: None,
    ) -> None:
        """Create the stack; nothing is started yet.

        Args:
            folder: folder of the store, the server's data and all logs.
            external: a Restate server to use instead of starting one.
            agent_env: additional environment variables of the agents' process.
            server_env: additional environment variables of a server that is started.
            recorder_admin_url: the server that the recorder copies from; by default, the stack's.
            only: names of the agents' files to serve; all when empty. Fewer files start faster.
            record: start a recorder and send traces to it. Without it, tracing is off.
            collector: send traces through a Collector, which passes them to the recorder and to
                these targets, keys of `playhead_samples.collector.TARGETS`.
            otlp_url: send traces to this address instead of to the recorder.
            report: receives a line for each process that is started.

        Raises:
            ProcessError: no Collector was found.
        """
        self.folder = folder
        self.report = report
        self.record = record
        otlp_http_port = free_port()
        self.recorder_url = f"http://127.0.0.1:{otlp_http_port}"
        self.collector: Collector | None = None
        if collector is not None:
            self.collector = Collector(folder / "collector", self.recorder_url, collector)
            otlp_url = self.collector.url
        self.otlp_url = otlp_url or self.recorder_url
        self.restate: RestateServer | None = None
        server = external
        if server is None:
            self.restate = RestateServer(
                folder / "restate",
                tracing_endpoint=f"otlp+{self.otlp_url}/v1/traces" if record else None,
                env=server_env,
            )
            server = Settings(
                admin_url=self.restate.admin_url, ingress_url=self.restate.ingress_url
            )
        self.settings = Settings(
            admin_url=server.admin_url,
            ingress_url=server.ingress_url,
            auth_token=server.auth_token,
            store=folder / "store",
            otlp_grpc_port=free_port(),
            otlp_http_port=otlp_http_port,
            api_port=free_port(),
            app="playhead_samples.app:create_app()",
        )
        self.llm_port = free_port()
        self.agents_port = free_port()
        self.deployment_id: str | None = None
        copied = replace(self.settings, admin_url=recorder_admin_url or self.settings.admin_url)
        self.recorder = recorder_process(copied, folder / "logs" / "recorder.log")
        self.llm = self._python("LLM server", "playhead_samples.llm", self.llm_port)
        self.agents = self._python(
            "agents",
            "playhead_samples",
            self.agents_port,
            *(part for name in only for part in ("--only", name)),
            env={**self._agent_env(), **(agent_env or {})},
        )

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that make a `playhead` command use this stack."""
        s = self.settings
        found = {
            "RESTATE_ADMIN_URL": s.admin_url,
            "RESTATE_INGRESS_URL": s.ingress_url,
            "PLAYHEAD_STORE": str(s.store),
            "PLAYHEAD_OTLP_GRPC_PORT": str(s.otlp_grpc_port),
            "PLAYHEAD_OTLP_HTTP_PORT": str(s.otlp_http_port),
            "PLAYHEAD_API_PORT": str(s.api_port),
        }
        return found | ({"RESTATE_AUTH_TOKEN": s.auth_token} if s.auth_token else {})

    @property
    def llm_url(self) -> str:
        """Base URL of the local LLM server."""
        return f"http://127.0.0.1:{self.llm_port}"

    @property
    def agents_url(self) -> str:
        """Base URL of the agents' service endpoint."""
        return f"http://127.0.0.1:{self.agents_port}"

    @property
    def effects_file(self) -> Path:
        """File in which the agents' tools count their side effects."""
        return self.folder / "effects.jsonl"

    @property
    def attempts_file(self) -> Path:
        """File in which the agents' process counts its attempts."""
        return self.folder / "attempts.jsonl"

    @property
    def faults_file(self) -> Path:
        """File that lists the tool faults to inject."""
        return self.folder / "faults.json"

    def start(self) -> Stack:
        """Start all processes in parallel and wait until each of them answers.

        Raises:
            ProcessError: a process did not start; the others have been stopped again.
            RestateError: the server did not accept the agents.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            # The slow imports first: these processes start up while the server does.
            processes = [(self.agents, "the sample agents"), (self.llm, "the local LLM server")]
            if self.record:
                processes.insert(1, (self.recorder, "the recorder"))
            for process, name in processes:
                self.report(f"starting {name}")
                process.start()
            if self.collector:
                self.report("starting the OpenTelemetry Collector")
                self.collector.start()
            if self.restate:
                self.report("starting restate-server")
                self.restate.start()
            if self.record:
                wait_for_recorder(self.recorder, self.settings.store)
            self._wait_for(self.llm, f"{self.llm_url}/v1/models")
            self._wait_for(self.agents, f"{self.agents_url}/health")
            self.report("registering the agents")
            self.register()
        except BaseException:
            self.stop()
            raise
        return self

    def start_recorder(self) -> None:
        """Start the recorder again, and wait until it answers. Raises ProcessError."""
        self.recorder.start()
        wait_for_recorder(self.recorder, self.settings.store)

    def start_agents(self) -> None:
        """Start the agents again, and wait until they answer.

        Raises:
            ProcessError: the agents did not start.
        """
        self.agents.kill()  # ends the rest of their process group
        self.agents.start()
        self._wait_for(self.agents, f"{self.agents_url}/health")

    def register(self) -> None:
        """Register the agents' address with the server. Raises RestateError."""
        self.deployment_id = register_deployment(
            self.settings.admin_url,
            self.agents_url,
            force=True,
            token=self.settings.auth_token,
            timeout=START_SECONDS,
        )

    def remove_deployment(self, deployment_id: str) -> None:
        """Remove a deployment, even while invocations are pinned to it. Raises RestateError."""
        remove_deployment(self.settings.admin_url, deployment_id, token=self.settings.auth_token)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Call a path of Restate's admin API and return its JSON. Raises RestateError."""

        async def call(client: RestateClient) -> Any:
            return await client.change(method, path, body)

        return self._with_client(call)

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query on the server's tables. Raises RestateError."""

        async def call(client: RestateClient) -> list[dict[str, Any]]:
            return await client.query(sql)

        return self._with_client(call)

    def stop(self) -> None:
        """Stop all processes: senders first, the recorder last. Safe to call twice."""
        if self.restate is None and self.deployment_id:
            with contextlib.suppress(RestateError):
                self.remove_deployment(self.deployment_id)
            self.deployment_id = None
        self.agents.stop(grace=STOP_SECONDS)
        if self.restate:
            self.restate.stop()
        self.llm.stop(grace=STOP_SECONDS)
        if self.collector:
            self.collector.process.stop(grace=2 * STOP_SECONDS)
        self.recorder.stop(grace=2 * STOP_SECONDS)

    def __enter__(self) -> Stack:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _with_client(self, call: Callable[[RestateClient], Any]) -> Any:
        async def run() -> Any:
            settings = self.settings
            async with RestateClient(
                settings.admin_url, auth_token=settings.auth_token, timeout=START_SECONDS
            ) as client:
                return await call(client)

        return asyncio.run(run())

    def _agent_env(self) -> dict[str, str]:
        tracing = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp_url,
            "PLAYHEAD_PENDING_SPANS": f"{self.recorder_url}/v1/traces",
            "OTEL_SERVICE_NAME": os.environ.get("OTEL_SERVICE_NAME", "playhead-samples"),
        }
        return {
            "PLAYHEAD_LLM_URL": self.llm_url,
            "PLAYHEAD_EFFECTS": str(self.effects_file),
            "PLAYHEAD_FAULTS": str(self.faults_file),
            "PLAYHEAD_ATTEMPT_LOG": str(self.attempts_file),
            "RESTATE_INGRESS_URL": self.settings.ingress_url,
            **(tracing if self.record else {"OTEL_SDK_DISABLED": "true"}),
        }

    def _python(
        self,
        name: str,
        module: str,
        port: int,
        *arguments: str,
        env: dict[str, str] | None = None,
    ) -> ManagedProcess:
        command = [sys.executable, "-m", module, "--port", str(port), *arguments]
        log = self.folder / "logs" / f"{module.rpartition('.')[2]}.log"
        # The shell's OTEL_* variables are for its own services: they would divert these spans.
        return ManagedProcess(name, command, log=log, env=env, without=("OTEL_",))

    def _wait_for(self, process: ManagedProcess, url: str) -> None:
        def answers() -> bool:
            try:
                return httpx.get(url, timeout=1.0).is_success
            except httpx.HTTPError:
                return False

        process.wait_until(answers, seconds=START_SECONDS, what="it answered")
