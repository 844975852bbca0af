"""`python -m playhead_samples.scenarios.warm ORDER`: agents that restart at once.

A process that has imported the agents' libraries forks the ones that serve them, as the JSON
file ORDER says (`port`, `pid_file`, `env`): one when it starts, one at each SIGUSR1. So a
scenario that kills the agents does not wait for seconds of imports; the process that dies is a
real one all the same. Under variables of their own (`env`), the agents' modules are imported anew.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from playhead_samples.app import names, services

__all__ = ["AGAIN", "USED", "main"]

LIBRARIES = (
    "hypercorn.asyncio",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "playhead_samples.__main__",
)
AGENTS = "playhead_samples.agents."
UNUSED = ("airline",)
"""No scenario is about it, and the OpenAI Agents SDK takes seconds to import."""
USED = [name for name in names() if name not in UNUSED]
AGAIN = signal.SIGUSR1
ENDS = (signal.SIGTERM, signal.SIGINT)


@click.command()
@click.argument("order", type=click.Path(path_type=Path))
def main(order: Path) -> None:
    """Serve the sample agents as ORDER says, and again at each SIGUSR1."""
    signals = {AGAIN, *ENDS}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    for library in LIBRARIES:
        importlib.import_module(library)
    services(USED)
    while True:
        wanted = json.loads(order.read_text())
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
            _serve(wanted)
        if signal.sigwait(signals) in ENDS:
            return


def _serve(wanted: dict[str, Any]) -> None:
    pid_file = Path(wanted["pid_file"])
    new = pid_file.with_suffix(".new")
    new.write_text(str(os.getpid()))
    new.replace(pid_file)
    if wanted["env"]:
        os.environ.update(wanted["env"])
        for module in [name for name in sys.modules if name.startswith(AGENTS)]:
            del sys.modules[module]
    from playhead_samples.__main__ import main as serve

    serve(["--port", str(wanted["port"]), *(f"--only={name}" for name in USED)])
    sys.exit(0)


if __name__ == "__main__":
    main()
