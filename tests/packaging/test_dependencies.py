"""Every distribution declares what its packages import."""

from __future__ import annotations

import ast
import functools
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

OPTIONAL = {
    ("core/playhead", "restate"): "replay runs in the environment of the user's app",
    ("core/playhead", "pydantic_ai"): "prompts are read where the user's app has Pydantic AI",
    ("core/playhead", "pytest"): "only pytest loads the plugin",
    ("tracing/playhead_tracing", "pydantic_ai"): "instrumented where the user's app has it",
    ("sample_agents/playhead_samples", "openinference"): "instrumented where it is installed",
}
"""Optional packages, with the reason why they are not declared."""

EXTRAS = {"sample_agents/playhead_samples": "samples"}


def declared(project: Path, extra: str | None) -> set[str]:
    """Return the distributions that a pyproject.toml declares, including those of an extra."""
    document = tomllib.loads(project.read_text())["project"]
    texts = [*document["dependencies"], *document.get("optional-dependencies", {}).get(extra, ())]
    return {canonicalize_name(Requirement(text).name) for text in texts}


@functools.cache
def imported(folder: Path) -> dict[str, Path]:
    """Return the foreign modules that a package imports, each with an importing file."""
    found: dict[str, Path] = {}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and not top.startswith("playhead"):
                    found.setdefault(name, path)
    return found


@functools.cache
def distributions_of(module: str) -> set[str]:
    """Return the distributions that may contain a module."""
    top = module.partition(".")[0]
    if top == "google":
        return (
            {"protobuf"} if module.startswith("google.protobuf") else {"googleapis-common-protos"}
        )
    if module.startswith("opentelemetry.proto."):
        return {"opentelemetry-proto"}
    if module.startswith("opentelemetry.exporter.otlp"):
        return {"opentelemetry-exporter-otlp-proto-http"}
    if module.startswith("opentelemetry.sdk"):
        return {"opentelemetry-sdk"}
    if top == "opentelemetry":
        return {"opentelemetry-api"}
    return {canonicalize_name(name) for name in installed_packages()[top]}


@functools.cache
def installed_packages() -> Mapping[str, list[str]]:
    return packages_distributions()


@pytest.mark.parametrize(
    ("package", "project"),
    [
        ("core/playhead", "pyproject.toml"),
        ("tui/playhead_tui", "pyproject.toml"),
        ("sample_agents/playhead_samples", "pyproject.toml"),
        ("tracing/playhead_tracing", "tracing/pyproject.toml"),
    ],
)
def test_what_is_imported_is_declared(package: str, project: str) -> None:
    names = declared(ROOT / project, EXTRAS.get(package))
    undeclared = {
        f"{module} in {path.relative_to(ROOT)}"
        for module, path in imported(ROOT / package).items()
        if (package, module.partition(".")[0]) not in OPTIONAL
        and not distributions_of(module) & names
    }
    assert not undeclared


@pytest.mark.parametrize("project", ["pyproject.toml", "tracing/pyproject.toml"])
def test_what_is_declared_is_imported(project: str) -> None:
    packages = {
        "pyproject.toml": ("core/playhead", "tui/playhead_tui", "sample_agents/playhead_samples"),
        "tracing/pyproject.toml": ("tracing/playhead_tracing",),
    }[project]
    modules = [module for package in packages for module in imported(ROOT / package)]
    used = {name for module in modules for name in distributions_of(module)}
    assert declared(ROOT / project, "samples") - {"playhead-tracing"} <= used
