"""Exported Parquet files, read with the queries of docs/export.md by DuckDB and by Spark."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from exported_rows import row
from playhead.cli import cli
from playhead.store.database import Store
from playhead.store.span_writer import SpanWriter
from target_programs import ROOT, program

pytestmark = pytest.mark.timeout(180, func_only=True)

DAY = 86_400 * 10**9
START = 1_795_000_000 * 10**9

SPARK = """
import json, sys
from pyspark.sql import SparkSession

settings = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.codegen.wholeStage": "false",
}
spark = SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
spark.read.parquet("spans/").createOrReplaceTempView("spans")
answers = [[list(row) for row in spark.sql(query).collect()] for query in json.load(sys.stdin)]
json.dump(answers, open("answers.json", "w"), default=str)
"""


def queries(engine: str) -> list[str]:
    """Return the documented queries of an engine."""
    text = (ROOT / "docs" / "export.md").read_text()
    found = re.search(rf'=== "{engine}"\n.*?```\w+\n(.*?)```', text, re.DOTALL)
    assert found is not None
    return [query for part in textwrap.dedent(found[1]).split(";") if (query := part.strip())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with `spans/`, which has spans of two days."""
    model = {"gen_ai.request.model": "gpt-5", "gen_ai.usage.input_tokens": 100,
             "gen_ai.usage.output_tokens": 7, "text": "a 'quoted' \n line, é"}  # fmt: skip
    store = Store(tmp_path / "store")
    SpanWriter(store).write([
        row(1, start=START, name="chat gpt-5", attributes=model),
        row(2, start=START + 1, name="chat gpt-5", attributes=model),
        row(3, start=START + DAY, name="chat small", attributes={**model,
            "gen_ai.request.model": "small"}),
        row(4, start=START + DAY, status=("error", "it \u2192 failed"),
            resource={"service.name": "Restate"}),
    ])  # fmt: skip
    store.close()
    command = ["--store", str(tmp_path / "store"), "export", "traces", "--to", "parquet"]
    result = CliRunner().invoke(cli, [*command, str(tmp_path / "spans")])
    assert result.exit_code == 0, result.output
    return tmp_path


EXPECTED: list[list[list[Any]]] = [
    [
        ["2026-11-18", "agents", 2],
        ["2026-11-19", "Restate", 1],
        ["2026-11-19", "agents", 1],
    ],
    [["gpt-5", 200, 14], ["small", 100, 7]],
    [[f"{1:032x}", "span 4", "it \u2192 failed"]],
]


def test_duckdb(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    connection = duckdb.connect()
    answers = [connection.sql(query).fetchall() for query in queries("DuckDB")]
    connection.close()
    assert json.loads(json.dumps(answers, default=str)) == EXPECTED


def test_spark(folder: Path) -> None:
    done = subprocess.run(
        [program("spark"), "-c", SPARK], input=json.dumps(queries("Spark")), cwd=folder,
        env={"SPARK_LOCAL_IP": "127.0.0.1", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((folder / "answers.json").read_text()) == EXPECTED
