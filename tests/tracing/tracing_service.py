"""The agents in a process that tests can kill: SERVER PORT WORLD OTLP_URL MODE."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import uvicorn
from hypercorn.asyncio import serve
from hypercorn.config import Config
from playhead_tracing import instrument
from tracing_bed import make_app, make_provider, set_global, switch_on
from tracing_world import World


def main(server: str, port: str, world: str, otlp_url: str, mode: str) -> None:
    app = make_app(World(Path(world)))
    if mode == "ours":
        os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = otlp_url
        os.environ["OTEL_BSP_SCHEDULE_DELAY"] = "50"
        os.environ["OTEL_SERVICE_NAME"] = "agents"
        app = instrument(app)
    else:
        provider = make_provider(otlp_url)
        set_global(provider)
        app = switch_on(mode, app, provider)
    if server == "uvicorn":
        uvicorn.run(app, port=int(port), lifespan="off", timeout_graceful_shutdown=2)
        return
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.graceful_timeout = 1
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main(*sys.argv[1:])
