"""`python -m playhead_samples --port N`: serve the sample agents on 127.0.0.1."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal

import click
from hypercorn.asyncio import serve  # pyright: ignore[reportUnknownVariableType]
from hypercorn.config import Config
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from restate.server import install_shutdown_hook

from playhead_samples import attempt_log, clock_offset
from playhead_samples.app import create_app, names

GRACE_SECONDS = 1.0
EXPORT_TIMEOUT = "1"


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="TCP port.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(names()),
    help="Agent to serve; repeatable. Default: all.",
)
def main(port: int, only: tuple[str, ...]) -> None:
    """Serve the sample agents on 127.0.0.1; register the address with a restate-server."""
    logging.basicConfig(level=logging.WARNING)
    # Without a recorder, the last export must not delay the end of the process.
    os.environ.setdefault("OTEL_EXPORTER_OTLP_TIMEOUT", EXPORT_TIMEOUT)
    asyncio.run(_serve(port, only))
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()
    # A normal exit frees every type of every Pydantic model, which takes seconds.
    os._exit(0)


async def _serve(port: int, only: tuple[str, ...]) -> None:
    clock_offset.install()
    gc.disable()  # imports leave no garbage, and looking for it takes a sixth of their time
    app = attempt_log.recorded(create_app(only))
    gc.freeze()
    gc.enable()
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.graceful_timeout = GRACE_SECONDS
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Restate's SDK installs its own handler at the first request, which would replace one
        # that was added to the loop. Its list of hooks is shared.
        install_shutdown_hook(loop, stop.set, number)
    await serve(app, config, shutdown_trigger=stop.wait)


if __name__ == "__main__":
    main()
