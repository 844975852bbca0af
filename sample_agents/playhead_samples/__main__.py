"""`python -m playhead_samples --port N`: serve the sample agents on 127.0.0.1."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

import click
from hypercorn.asyncio import serve  # pyright: ignore[reportUnknownVariableType]
from hypercorn.config import Config
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from restate.server import install_shutdown_hook

from playhead_samples.app import create_app, names

GRACE_SECONDS = 1.0
EXPORT_SECONDS = "1"


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="TCP port.")
@click.option(
    "--only", multiple=True, type=click.Choice(names()), help="Serve these agents; default: all."
)
def main(port: int, only: tuple[str, ...]) -> None:
    """Serve the sample agents; register http://127.0.0.1:PORT with a restate-server."""
    logging.basicConfig(level=logging.WARNING)
    # When nobody takes the spans, the end of the process must not wait for long.
    os.environ.setdefault("OTEL_EXPORTER_OTLP_TIMEOUT", EXPORT_SECONDS)
    asyncio.run(_serve(port, only))
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()
    # Taking down the interpreter frees every type of every model, which takes seconds.
    os._exit(0)


async def _serve(port: int, only: tuple[str, ...]) -> None:
    app = create_app(only)
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.graceful_timeout = GRACE_SECONDS
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Restate's SDK installs a handler of its own at the first request and so would replace
        # one added to the loop; its list of hooks is shared by all.
        install_shutdown_hook(loop, stop.set, number)
    await serve(app, config, shutdown_trigger=stop.wait)


if __name__ == "__main__":
    main()
