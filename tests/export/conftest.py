"""A store with spans of every shape, and the command that exports it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from exported_rows import Run, Write, row
from playhead.cli import cli
from playhead.store.database import Store
from playhead.store.span_writer import SpanRow, SpanWriter


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Folder of an empty store."""
    return tmp_path / "store"


@pytest.fixture
def write(store: Path) -> Write:
    """Write spans into the store, and close it."""

    def run(rows: list[SpanRow]) -> None:
        opened = Store(store)
        SpanWriter(opened).write(rows)
        opened.close()

    return run


@pytest.fixture
def run(store: Path) -> Run:
    """Run a `playhead` command on the store; standard error is in `stderr`."""

    def call(*arguments: str, **env: str) -> Result:
        return CliRunner().invoke(cli, ["--store", str(store), *arguments], env=env)

    return call


@pytest.fixture
def hundred(write: Write) -> list[SpanRow]:
    """A store with 100 finished spans in 10 traces, and 3 open ones."""
    rows = [row(number, trace=number // 10) for number in range(100)]
    write([*rows, *(row(number, trace=0, end=None) for number in range(100, 103))])
    return rows
