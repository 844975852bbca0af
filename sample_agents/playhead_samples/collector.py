"""An OpenTelemetry Collector of this machine, with the checkout's configuration."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
from playhead.errors import ProcessError, SettingsError
from playhead.local import ManagedProcess, free_port

__all__ = ["TARGETS", "Collector", "find_collector", "require_keys", "web_address"]

CONFIG = "otel-collector.yaml"
KEYED_TARGETS = "otel-collector"
"""Folder beside it with the targets that need a key."""
PROGRAMS = ("otelcol-contrib", "otelcol")
START_SECONDS = 30.0

_ADDRESS_VARIABLES = {"phoenix": "PHOENIX_COLLECTOR_ENDPOINT", "langfuse": "LANGFUSE_HOST"}
"""Variables with the address of a target whose web page is at the same place."""

TARGETS: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "jaeger": ("otlp_grpc/jaeger", (), "http://localhost:16686"),
    "phoenix": ("otlp_http/phoenix", (), "http://localhost:6006"),
    "langfuse": ("otlp_http/langfuse", ("LANGFUSE_AUTH",), "https://cloud.langfuse.com"),
    "logfire": ("otlp_http/logfire", ("LOGFIRE_TOKEN",), "https://logfire.pydantic.dev"),
    "datadog": ("otlp_http/datadog", ("DD_API_KEY",), "https://app.datadoghq.com"),
    "honeycomb": ("otlp_http/honeycomb", ("HONEYCOMB_API_KEY",), "https://ui.honeycomb.io"),
    "tempo": ("otlp_grpc/tempo", (), "http://localhost:3000"),
}
"""Exporter in the configuration, variables that it needs, and usual address of its web page."""


def require_keys(targets: Sequence[str], environ: Mapping[str, str]) -> None:
    """Raise SettingsError if a target's key is missing: it would refuse all spans."""
    for name in targets:
        missing = [variable for variable in TARGETS[name][1] if not environ.get(variable)]
        if missing:
            raise SettingsError(
                f"{name} refuses spans without a key: {missing[0]} is not set",
                "See the page about the Collector in the documentation.",
            )


def web_address(name: str, environ: Mapping[str, str]) -> str:
    """Return the address at which a target shows what it receives."""
    return environ.get(_ADDRESS_VARIABLES.get(name, ""), "") or TARGETS[name][2]


def find_collector() -> tuple[Path, Path]:
    """Return a Collector's program, on PATH or from `make targets`, and the configuration.

    Raises:
        ProcessError: One of them is missing.
    """
    here = Path(__file__).resolve()
    configs = [here.with_name(CONFIG), here.parents[2] / CONFIG, Path.cwd() / CONFIG]
    config = next((path for path in configs if path.is_file()), None)
    if config is None:
        raise ProcessError(
            f"{CONFIG} was not found", "Run the command in a checkout of Playhead, which has it."
        )
    for name in PROGRAMS:
        if found := shutil.which(name):
            return Path(found), config
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "playhead-targets"
    folder = Path(os.environ.get("PLAYHEAD_TARGETS") or cache)
    built = sorted(folder.glob("otelcol-*"), key=lambda path: path.stat().st_mtime)
    if built:
        return built[-1], config
    raise ProcessError(
        "No OpenTelemetry Collector was found on PATH",
        "Install otelcol-contrib (https://opentelemetry.io/docs/collector/install/), or run"
        " `make targets` in a checkout, or name your own Collector with --otlp URL.",
    )


class Collector:
    """A Collector between the senders and a recorder, on free ports."""

    def __init__(self, folder: Path, recorder_url: str, targets: Sequence[str]) -> None:
        """Configure the Collector without starting it.

        Args:
            folder: Folder for its queues, archive and log.
            recorder_url: OTLP/HTTP address of the recorder.
            targets: Names of further targets, keys of `TARGETS`.

        Raises:
            ProcessError: No Collector was found.
        """
        program, config = find_collector()
        grpc, http, health, metrics = (free_port() for _ in range(4))
        self.url = f"http://127.0.0.1:{http}"
        self.archive = folder / "traces.jsonl"
        self._health = f"http://127.0.0.1:{health}/"
        exporters = ["file/archive", *(TARGETS[name][0] for name in targets)]
        files = [config.with_name(KEYED_TARGETS) / f"{name}.yaml" for name in targets]
        configs = [config, *(file for file in files if file.is_file())]
        self.process = ManagedProcess(
            "OpenTelemetry Collector",
            [program, *(f"--config={path}" for path in configs)],
            log=folder.parent / "logs" / "collector.log",
            env={
                "PLAYHEAD_COLLECTOR_GRPC_PORT": str(grpc),
                "PLAYHEAD_COLLECTOR_HTTP_PORT": str(http),
                "PLAYHEAD_COLLECTOR_HEALTH_PORT": str(health),
                "PLAYHEAD_COLLECTOR_METRICS_PORT": str(metrics),
                "PLAYHEAD_COLLECTOR_DIR": str(folder),
                "PLAYHEAD_COLLECTOR_EXPORTERS": f"[{', '.join(exporters)}]",
                "PLAYHEAD_RECORDER_ENDPOINT": recorder_url,
            },
            without=("OTEL_",),
        )

    def start(self) -> None:
        """Start it, and wait until it answers. Raises ProcessError."""
        self.process.start()
        self.process.wait_until(self._answers, seconds=START_SECONDS, what="it answered")

    def _answers(self) -> bool:
        try:
            return httpx.get(self._health, timeout=1.0, trust_env=False).is_success
        except httpx.HTTPError:
            return False
