"""Everything that the demo and the scenarios run on, as processes on free loopback ports.

A recorder, a restate-server that sends it its traces, the local LLM server, and the agents,
registered. Not here: what is sent to them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
from playhead.errors import ProcessError
from playhead.local import ManagedProcess, RestateServer, free_port
from playhead.settings import Settings

START_SECONDS = 60.0

Say = Callable[[str], None]
"""Receives one line of progress."""


class Stack:
    """The processes, as one context manager. They end with it, in an orderly way."""

    def __init__(
        self,
        folder: Path,
        *,
        external: Settings | None = None,
        restate_env: dict[str, str] | None = None,
        agent_env: dict[str, str] | None = None,
        only: Sequence[str] = (),
        say: Say = lambda line: None,
    ) -> None:
        """Describe the stack; nothing starts yet.

        Args:
            folder: holds the store, the server's data, and logs.
            external: a Restate server of the user's to use instead of one of our own.
            restate_env: further `RESTATE_*` settings for our own server.
            agent_env: further variables for the agents' process.
            only: the agents to serve, by their files' names; all when empty. Few start faster.
            say: told what is being started.
        """
        self.folder = folder
        self.say = say
        self.recorder_otlp_http = free_port()
        self.restate: RestateServer | None = None
        server = external
        if server is None:
            self.restate = RestateServer(
                folder / "restate",
                tracing_endpoint=f"otlp+http://127.0.0.1:{self.recorder_otlp_http}/v1/traces",
                env=restate_env,
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
            otlp_http_port=self.recorder_otlp_http,
            api_port=free_port(),
            app="playhead_samples.app:create_app()",
        )
        self.llm_port = free_port()
        self.agents_port = free_port()
        self.deployment_id: str | None = None
        self.recorder = self._playhead("recorder", "record")
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
        """The variables with which a `playhead` command talks to this stack."""
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
        """Base address of the local LLM server."""
        return f"http://127.0.0.1:{self.llm_port}"

    @property
    def effects_file(self) -> Path:
        """Where the agents' tools count their side effects."""
        return self.folder / "effects.jsonl"

    @property
    def faults_file(self) -> Path:
        """Where the agents' tools look up which call has to fail."""
        return self.folder / "faults.json"

    def start(self) -> Stack:
        """Start everything side by side and wait until all of it answers.

        Raises:
            ProcessError: something did not come up; what did has been stopped again.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            # The slow importers first: they come up while the others do.
            for child, what in (
                (self.agents, "the sample agents"),
                (self.recorder, "the recorder"),
                (self.llm, "the local LLM server"),
            ):
                self.say(f"starting {what}")
                child.start()
            if self.restate:
                self.say("starting restate-server")
                self.restate.start()
            self._wait(self.recorder, f"http://127.0.0.1:{self.settings.api_port}/health")
            self._wait(self.llm, f"{self.llm_url}/v1/models")
            self._wait_for_agents()
            self.say("registering the agents")
            self.register()
        except BaseException:
            self.stop()
            raise
        return self

    def start_agents(self) -> None:
        """Start the agents again after they ended, and wait until they answer.

        Raises:
            ProcessError: they did not come up.
        """
        self.agents.kill()  # whatever is left of their process group
        self.agents.start()
        self._wait_for_agents()

    def register(self, *, force: bool = True) -> None:
        """Register the agents' address with the server. Raises ProcessError when it refuses."""
        token = self.settings.auth_token
        try:
            response = httpx.post(
                f"{self.settings.admin_url}/deployments",
                json={"uri": f"http://127.0.0.1:{self.agents_port}", "force": force},
                headers={"authorization": f"Bearer {token}"} if token else {},
                timeout=START_SECONDS,
            )
        except httpx.HTTPError as error:
            raise ProcessError(
                f"Restate's admin API at {self.settings.admin_url} does not answer: {error}"
            ) from error
        if response.is_error:
            raise ProcessError(f"Restate refused the sample agents: {response.text}")
        self.deployment_id = response.json()["id"]

    def stop(self) -> None:
        """Stop everything: first who sends, last who records. Safe to call twice."""
        if self.restate is None and self.deployment_id:
            with contextlib.suppress(httpx.HTTPError):
                httpx.delete(
                    f"{self.settings.admin_url}/deployments/{self.deployment_id}",
                    params={"force": "true"},
                    timeout=5.0,
                )
            self.deployment_id = None
        self.agents.stop(grace=5.0)
        if self.restate:
            self.restate.stop()
        self.llm.stop(grace=5.0)
        self.recorder.stop(grace=10.0)

    def __enter__(self) -> Stack:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _agent_env(self) -> dict[str, str]:
        return {
            "PLAYHEAD_LLM_URL": self.llm_url,
            "PLAYHEAD_EFFECTS": str(self.effects_file),
            "PLAYHEAD_FAULTS": str(self.faults_file),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.recorder_otlp_http}",
            "PLAYHEAD_PENDING_SPANS": "1",
            "OTEL_SERVICE_NAME": os.environ.get("OTEL_SERVICE_NAME", "playhead-samples"),
            "RESTATE_INGRESS_URL": self.settings.ingress_url,
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
        return ManagedProcess(name, command, log=log, env=env)

    def _playhead(self, name: str, *arguments: str) -> ManagedProcess:
        command = [sys.executable, "-m", "playhead", *arguments]
        return ManagedProcess(
            name, command, log=self.folder / "logs" / f"{name}.log", env=self.environment
        )

    def _wait_for_agents(self) -> None:
        self._wait(self.agents, f"http://127.0.0.1:{self.agents_port}/health")

    def _wait(self, child: ManagedProcess, url: str) -> None:
        def answers() -> bool:
            try:
                return httpx.get(url, timeout=1.0).status_code < 500
            except httpx.HTTPError:
                return False

        child.wait_until(answers, seconds=START_SECONDS, what="it answered")
