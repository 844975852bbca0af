"""Wheels of both distributions, built from this checkout without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fresh_environment import FreshEnvironment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels, by distribution."""
    folder = tmp_path_factory.mktemp("wheels")
    found: dict[str, Path] = {}
    for name, project in (("playhead", ROOT), ("playhead-tracing", ROOT / "tracing")):
        target = folder / name
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
        done = subprocess.run(build, cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        [found[name]] = target.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def plain(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> FreshEnvironment:
    """Environment after `pip install playhead`."""
    environment = FreshEnvironment(tmp_path_factory.mktemp("plain"))
    environment.install([wheels["playhead"]])
    return environment


@pytest.fixture(scope="session")
def full(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> FreshEnvironment:
    """Environment after `pip install playhead[samples] playhead-tracing pytest`."""
    environment = FreshEnvironment(tmp_path_factory.mktemp("full"))
    environment.install(wheels.values(), ["playhead[samples]", "pytest"])
    return environment
