"""A real OpenTelemetry Collector, built from Go modules and cached in node_modules/.cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILDER = "go.opentelemetry.io/collector/cmd/builder@v0.156.0"


@pytest.fixture(scope="session")
def collector_binary() -> Path:
    """Return the Collector's binary; building it takes about 90 s the first time."""
    manifest = HERE / "builder.yaml"
    fingerprint = hashlib.sha256(manifest.read_bytes()).hexdigest()[:12]
    folder = ROOT / "node_modules" / ".cache" / f"otelcol-{fingerprint}"
    binary = folder / "otelcol-playhead"
    if binary.is_file():
        return binary
    if shutil.which("go") is None:
        if os.environ.get("CI"):
            pytest.fail("Go is not installed; CI must run the tests of the Collector")
        pytest.skip("not run: these tests build a real Collector, which needs Go")
    folder.mkdir(parents=True, exist_ok=True)
    build = folder / "build"
    done = subprocess.run(
        ["go", "run", BUILDER, "--config", str(manifest)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "CGO_ENABLED": "0"},
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"the Collector could not be built:\n{done.stderr[-3000:]}")
    (build / "otelcol-playhead").replace(binary)
    shutil.rmtree(build)
    return binary
