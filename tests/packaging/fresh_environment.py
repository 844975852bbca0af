"""An environment with built wheels and only the dependencies that their metadata declares.

The dependencies are links to the files of this environment's own distributions, so that nothing
is downloaded; nothing else is importable: neither the checkout nor an undeclared distribution.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["FreshEnvironment"]

SECONDS = 100.0
"""Longest time that a command may take."""


class FreshEnvironment:
    """A virtual environment in a separate folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, with_pip=False, symlinks=True)
        self.bin = folder / "bin"
        self.site = Path(
            sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)})
        )

    def install(self, wheels: Iterable[Path], requirements: Iterable[str] = ()) -> None:
        """Install wheels, and link their dependencies and those of other requirements.

        Args:
            wheels: the files.
            requirements: further requirements, such as `playhead[samples]` or `pytest`.
        """
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "install"]
        options = ["--no-index", "--no-deps", "--no-compile", "--quiet"]
        done = subprocess.run(
            [*pip, *options, *map(str, wheels)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        installed = {found.metadata["Name"]: found for found in self._distributions()}
        for dependency in _closure([*installed, *requirements], installed):
            _link(dependency, self.site)

    def run(
        self,
        *command: str | Path,
        code: int = 0,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of the environment, in its own folder when no other is given."""
        name, *arguments = map(str, command)
        done = subprocess.run(
            [str(self.bin / name), *arguments],
            cwd=cwd or self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done

    def _distributions(self) -> list[Distribution]:
        return [PathDistribution(path) for path in self.site.glob("*.dist-info")]


def _closure(wanted: Iterable[str], installed: dict[str, Distribution]) -> list[Distribution]:
    """Return all distributions that the requirements need, without those installed."""
    pending = [Requirement(text) for text in wanted]
    done: set[tuple[str, str]] = set()
    found: dict[str, Distribution] = {}
    while pending:
        requirement = pending.pop()
        new = {
            extra
            for extra in ("", *requirement.extras)
            if (requirement.name.lower(), extra) not in done
        }
        done |= {(requirement.name.lower(), extra) for extra in new}
        if not new:
            continue
        dist = installed.get(requirement.name) or distribution(requirement.name)
        if requirement.name not in installed:
            found[requirement.name.lower()] = dist
            assert requirement.specifier.contains(dist.version, prereleases=True), requirement
        for text in dist.requires or ():
            below = Requirement(text)
            marker = below.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in new):
                pending.append(below)
    return list(found.values())


def _link(dependency: Distribution, site: Path) -> None:
    """Link the importable files of a distribution, with their compiled forms."""
    for file in dependency.files or ():
        source = Path(str(dependency.locate_file(file)))
        if ".." in file.parts or "__pycache__" in file.parts or not source.exists():
            continue
        _link_file(source, site.joinpath(*file.parts))
        if source.suffix == ".py":
            compiled = Path(importlib.util.cache_from_source(str(source)))
            if compiled.exists():
                _link_file(compiled, site.joinpath(*file.parts[:-1], "__pycache__", compiled.name))


def _link_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        try:
            os.link(source.resolve(), target)  # a file, as pip writes it
        except OSError:  # another file system
            target.symlink_to(source)
