"""Exports to files: OTLP/JSON lines and Parquet."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from exported_rows import Run, Write, rich_rows, row
from playhead.record.otlp.requests import inspect_json
from playhead.record.otlp.rows import span_rows

TRACES = ("export", "traces", "--to")


def test_otlp_json_lines_have_everything(write: Write, run: Run, tmp_path: Path) -> None:
    rows = rich_rows()
    write([*rows, row(50, end=None)])
    file = tmp_path / "traces.jsonl"
    result = run(*TRACES, "file", str(file))
    assert result.exit_code == 0, result.output
    assert f"Wrote 4 spans to {file}." in result.stdout
    read = list(span_rows(inspect_json(line).body for line in file.read_bytes().splitlines()))
    expected = [(*r[:11], *map(json.loads, r[11:15])) for r in rows]
    assert [(*r[:11], *map(json.loads, r[11:15])) for r in sorted(read)] == sorted(expected)
    assert file.stat().st_mode & 0o077 == 0


def test_a_file_is_never_overwritten(write: Write, run: Run, tmp_path: Path) -> None:
    write(rich_rows())
    file = tmp_path / "traces.jsonl"
    file.write_text("mine")
    result = run(*TRACES, "file", str(file))
    assert result.exit_code == 3
    assert "exists already" in result.stderr
    assert file.read_text() == "mine"
    missing = run(*TRACES, "file", str(tmp_path / "missing" / "file"))
    assert missing.exit_code == 3
    assert "cannot be written: No such file or directory" in missing.stderr
    assert [f.name for f in tmp_path.iterdir() if f.name.startswith(".")] == []


def test_parquet_is_partitioned_by_day_and_grows(write: Write, run: Run, tmp_path: Path) -> None:
    day = 86400 * 10**9
    monday = 1_795_392_000 * 10**9
    write([row(n, start=monday + n // 2 * day + n) for n in range(6)])
    folder = tmp_path / "spans"
    assert "Wrote 6 spans" in run(*TRACES, "parquet", str(folder)).stdout
    write([row(9, start=monday)])
    again = run(*TRACES, "parquet", str(folder))
    assert "Wrote 1 span " in again.stdout
    assert "6 were there before" in again.stdout
    files = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())
    assert files == [
        "day=2026-11-23/spans-000001.parquet",
        "day=2026-11-23/spans-000002.parquet",
        "day=2026-11-24/spans-000001.parquet",
        "day=2026-11-25/spans-000001.parquet",
    ]
    read = f"read_parquet('{folder}/*/*.parquet', hive_partitioning = true)"
    rows = duckdb.sql(
        "SELECT day::VARCHAR, count(*), min(start_time)::VARCHAR,"
        f" sum((attributes->>'number')::INT) FROM {read} GROUP BY day ORDER BY day"
    ).fetchall()
    assert [(found[0], found[1], found[3]) for found in rows] == [
        ("2026-11-23", 3, 10), ("2026-11-24", 2, 5), ("2026-11-25", 2, 9),
    ]  # fmt: skip
    assert rows[0][2].startswith("2026-11-23 00:00:00")


def test_broken_files_in_the_folder_are_named(write: Write, run: Run, tmp_path: Path) -> None:
    write(rich_rows())
    (tmp_path / "day=2026-11-23").mkdir()
    (tmp_path / "day=2026-11-23" / "spans-000001.parquet").write_bytes(b"nothing")
    result = run(*TRACES, "parquet", str(tmp_path))
    assert result.exit_code == 3
    assert "cannot be used" in result.stderr


@pytest.mark.parametrize("name", ["file", "parquet"])
def test_an_empty_store_makes_an_empty_export(
    write: Write, run: Run, tmp_path: Path, name: str
) -> None:
    write([])
    assert "Wrote 0 spans" in run(*TRACES, name, str(tmp_path / "out")).stdout
