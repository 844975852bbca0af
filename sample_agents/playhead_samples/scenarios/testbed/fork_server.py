"""`python -m playhead_samples.scenarios.testbed.fork_server FILE`: agents that restart at once.

This process imports the agents' libraries once and forks the processes that serve the agents,
as the JSON file FILE requests (`port`, `pid_file`, `env`): one at its start, one at each SIGUSR1.
A scenario that kills the agents then does not wait seconds for imports, and still kills a real
process. When `env` is not empty, the forked process imports the agents' modules again.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from playhead_samples.app import names, services
from playhead_samples.scenarios.testbed.forked_agents import FORK_SIGNAL

__all__ = ["SERVED", "main"]

LIBRARIES = (
    "hypercorn.asyncio",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "playhead_samples.__main__",
)
AGENTS = "playhead_samples.agents."
EXCLUDED = ("airline",)
"""Agents that no scenario uses; the OpenAI Agents SDK takes seconds to import."""
SERVED = [name for name in names() if name not in EXCLUDED]
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@click.command()
@click.argument("request_file", metavar="FILE", type=click.Path(path_type=Path))
def main(request_file: Path) -> None:
    """Serve the sample agents as FILE requests, and again at each SIGUSR1."""
    signals = {FORK_SIGNAL, *STOP_SIGNALS}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the children
    gc.disable()  # imports leave no garbage, and looking for it takes a sixth of their time
    for library in LIBRARIES:
        importlib.import_module(library)
    services(SERVED)
    gc.freeze()
    gc.enable()
    while True:
        request = json.loads(request_file.read_text())
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
            _serve(request)
        if signal.sigwait(signals) in STOP_SIGNALS:
            return


def _serve(request: dict[str, Any]) -> None:
    pid_file = Path(request["pid_file"])
    temporary = pid_file.with_suffix(".new")
    temporary.write_text(str(os.getpid()))
    temporary.replace(pid_file)
    if request["env"]:
        os.environ.update(request["env"])
        for module in [name for name in sys.modules if name.startswith(AGENTS)]:
            del sys.modules[module]
    from playhead_samples.__main__ import main as serve

    serve(["--port", str(request["port"]), *(f"--only={name}" for name in SERVED)])
    sys.exit(0)


if __name__ == "__main__":
    main()
