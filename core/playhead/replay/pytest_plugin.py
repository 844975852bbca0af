"""The pytest plugin: `pytest --playhead-app module:attr --playhead-recordings DIR`.

Each recording is a test. Nothing heavy is imported until a recording is collected, since every
pytest run in an environment with Playhead loads this module.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playhead.replay.report import Report
    from playhead.replay.worker import Worker

__all__ = ["pytest_addoption", "pytest_configure"]


class DivergedError(Exception):
    """The code does not accept the recording."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.verdict)
        self.report = report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options; without them nothing is collected."""
    group = parser.getgroup("playhead", "replay of recorded Restate invocations")
    group.addoption(
        "--playhead-app",
        metavar="MODULE:ATTR",
        default=None,
        help="the Restate app that the recordings are replayed against",
    )
    group.addoption(
        "--playhead-recordings",
        metavar="DIR",
        default=None,
        help="folder of *.journal.json recordings; each becomes a test",
    )
    group.addoption(
        "--playhead-env",
        metavar="NAME",
        action="append",
        default=[],
        help="pass this environment variable to the app; may be repeated",
    )
    group.addoption(
        "--playhead-require-isolation",
        action="store_true",
        help="fail unless the operating system isolates the app",
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Collect the folder of recordings, in addition to or instead of other arguments."""
    folder, app = config.option.playhead_recordings, config.option.playhead_app
    if folder is None and app is None:
        return
    if folder is None or app is None:
        raise pytest.UsageError("--playhead-app and --playhead-recordings must be given together")
    if not Path(folder).is_dir():
        raise pytest.UsageError(f"--playhead-recordings: {folder} is not a folder")
    if not any(Path(folder).rglob("*.journal.json")):
        raise pytest.UsageError(f"--playhead-recordings: {folder} has no *.journal.json files")
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        config.args.append(folder)
    else:
        config.args[:] = [folder]
    options: dict[str, Any] = {
        "env": config.option.playhead_env,
        "require_isolation": config.option.playhead_require_isolation,
    }
    plugin = _Plugin(app, Path(folder).resolve(), options)
    config.pluginmanager.register(plugin, "playhead-recordings")


class _Plugin:
    """Collects and runs the recordings of one run."""

    def __init__(self, app: str, folder: Path, options: dict[str, Any]) -> None:
        self.app = app
        self.folder = folder
        self.options = options
        self.worker: Worker | None = None

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> Any:
        """Collect a recording of the folder as a file with one test."""
        if not file_path.name.endswith(".journal.json") or self.folder not in file_path.parents:
            return None
        file: _RecordingFile = _RecordingFile.from_parent(parent, path=file_path)  # pyright: ignore[reportUnknownMemberType]
        file.plugin = self
        return file

    def report(self, path: Path) -> Report:
        """Replay one recording in the warm process."""
        from playhead.replay.worker import Worker

        if self.worker is None:
            self.worker = Worker(self.app, app_dir=os.getcwd(), **self.options)  # noqa: PTH109
        return self.worker.report(path)

    def pytest_sessionfinish(self) -> None:
        """End the process."""
        if self.worker is not None:
            self.worker.close()


class _RecordingFile(pytest.File):
    plugin: _Plugin

    def collect(self) -> Iterator[pytest.Item]:
        item: _RecordingItem = _RecordingItem.from_parent(self, name="replay")  # pyright: ignore[reportUnknownMemberType]
        item.plugin = self.plugin
        yield item


class _RecordingItem(pytest.Item):
    plugin: _Plugin

    def runtest(self) -> None:
        report = self.plugin.report(self.path)
        if report.found or report.verdict == "refused":
            raise DivergedError(report)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from playhead.text import clean

        if isinstance(excinfo.value, DivergedError):
            from playhead.replay.text import report_lines as lines

            # Summaries and JUnit files show the first line, which is the verdict.
            report = excinfo.value.report
            verdict, *details = lines(report)
            title = [f"  {clean(report.target)}  {report.invocation_id}"] if report.target else []
            return "\n".join([verdict, *title, *details])
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"replay {self.path.name}"
