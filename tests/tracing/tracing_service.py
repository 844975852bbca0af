"""The agents as a process of their own, to be killed: PORT WORLD OTLP_URL MODE."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from hypercorn.asyncio import serve
from hypercorn.config import Config
from tracing_bed import make_app, make_provider, set_global, switch_on
from tracing_world import World


def main(port: str, world: str, otlp_url: str, mode: str) -> None:
    provider = make_provider(otlp_url)
    set_global(provider)
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    app = switch_on(mode, make_app(World(Path(world))), provider)
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main(*sys.argv[1:])
