"""One restate-server, one service and one receiver for all truth cases."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from playhead.local import RestateServer
from tracing_bed import Bed, Serving, make_app, make_provider, set_global, switch_on
from tracing_openai import ModelServer
from tracing_otlp import Receiver
from tracing_world import World


@pytest.fixture(scope="session")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    world = World(tmp_path_factory.mktemp("world"))
    with Receiver() as receiver, ModelServer(world) as model:
        provider = make_provider(receiver.url)
        set_global(provider)
        app = switch_on("ours", make_app(world, model.url), provider)
        folder = tmp_path_factory.mktemp("traced")
        with (
            RestateServer(folder, tracing_endpoint=f"otlp+{receiver.url}") as server,
            Serving(app) as serving,
        ):
            server.register(serving.url)
            bed = Bed(server, receiver, world)
            yield bed
            bed.close()
        provider.shutdown()
