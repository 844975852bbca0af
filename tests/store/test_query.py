from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from playhead.errors import QueryError, QueryLimitError, QueryMemoryError
from playhead.store import json_rows as json_rows_module
from playhead.store import query as query_module
from playhead.store.answers import Answer
from playhead.store.database import Store
from playhead.store.json_rows import Pace, json_rows
from playhead.store.query import to_arrow, to_arrow_stream, to_json_rows, to_rows
from playhead.store.query_limits import DEFAULT_LIMITS, Limits
from playhead.store.span_writer import SpanRow, SpanWriter

READING = [
    "SELECT 1 AS one",
    "select 1 -- ; drop table spans",
    "SELECT ';' AS text;",
    "/* a */ WITH x AS (SELECT 1 AS n) SELECT n FROM x",
    "FROM spans",
    "VALUES (1), (2)",
    "TABLE spans",
    "DESCRIBE spans",
    "SHOW TABLES",
    "SUMMARIZE spans",
    "EXPLAIN SELECT * FROM spans",
    "EXPLAIN ANALYZE SELECT * FROM spans",
    "SELECT * FROM generate_series(1, 3)",
    "SELECT unnest([1, 2])",
    "SELECT key, value FROM json_each('{\"a\": 1}')",
    "SELECT column_name FROM information_schema.columns",
    "SELECT * FROM llm_calls",
    "SELECT * FROM tool_calls",
    "SELECT * FROM attempts",
    "SELECT now(), 1.5, 'a'::BLOB, INTERVAL 3 DAYS, {'a': 1}, MAP {'b': 2}, 2::HUGEINT ** 100",
]

ESCAPES = [
    "",
    ";",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE spans",
    "DROP TABLE spans",
    "INSERT INTO spans SELECT * FROM spans",
    "WITH x AS (INSERT INTO journal_copies (id) VALUES ('a') RETURNING id) SELECT * FROM x",
    "WITH x AS (DELETE FROM spans RETURNING name) SELECT * FROM x",
    "UPDATE spans SET name = 'x'",
    "DELETE FROM spans",
    "CREATE TABLE x AS SELECT 1",
    "CREATE MACRO f() AS 1",
    "CREATE TEMP VIEW x AS SELECT 1",
    "COPY spans TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/out.parquet' (FORMAT parquet)",
    "COPY spans FROM '{secret}'",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/other.duckdb'",
    "ATTACH ':memory:' AS m",
    "DETACH playhead",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "RESET enable_external_access",
    "SET GLOBAL lock_configuration = false",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "CALL pragma_version()",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "COMMIT",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "EXPLAIN DELETE FROM spans",
    "EXPLAIN ANALYZE DELETE FROM spans",
    "EXPLAIN ANALYZE COPY spans TO '{folder}/out.csv'",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM main.read_text('{secret}')",
    "SELECT * FROM system.main.read_text('{secret}')",
    "SELECT * FROM READ_TEXT('{secret}')",
    "SELECT * FROM \"read_text\"('{secret}')",
    "SELECT (SELECT content FROM read_text('{secret}'))",
    "SELECT 1 WHERE EXISTS (FROM read_text('{secret}'))",
    "WITH x AS (FROM read_text('{secret}')) SELECT * FROM x",
    "EXPLAIN ANALYZE SELECT * FROM read_text('{secret}')",
    "SUMMARIZE FROM read_text('{secret}')",
    "DESCRIBE FROM read_text('{secret}')",
    "SELECT * FROM read_json('{secret}')",
    "SELECT * FROM read_parquet('https://127.0.0.1/x')",
    "SELECT * FROM parquet_metadata('{secret}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('spans')",
    "SELECT * FROM json_execute_serialized_sql('x')",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM arrow_scan_dumb(1, 2, 3)",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM python_map_function(1)",
    "SELECT * FROM checkpoint()",
    "SELECT * FROM force_checkpoint()",
    "SELECT * FROM enable_logging()",
    "SELECT * FROM truncate_duckdb_logs()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT write_log('x')",
    "SELECT nextval('x')",
    "SELECT getenv('HOME')",
    "SELECT * FROM secret",
    "SELECT * FROM store",
]


@pytest.mark.parametrize("sql", READING)
def test_queries_that_read(store: Store, span: Callable[..., SpanRow], sql: str) -> None:
    SpanWriter(store).write([span(1)])
    cursor = store.cursor()
    assert len(to_rows(cursor, sql)) == to_arrow(cursor, sql).num_rows
    cursor.close()


@pytest.mark.parametrize("sql", ESCAPES)
def test_nothing_else_is_run(
    store: Store, span: Callable[..., SpanRow], tmp_path: Path, sql: str
) -> None:
    SpanWriter(store).write([span(1)])
    secret = tmp_path / "secret.csv"
    secret.write_text("password\n")
    sql = sql.format(folder=tmp_path, secret=secret)
    before = sorted(tmp_path.rglob("*"))
    cursor = store.cursor()
    for run in (to_rows, to_arrow):
        with pytest.raises(QueryError) as caught:
            run(cursor, sql)
        assert "password" not in str(caught.value)
    assert to_rows(cursor, "SELECT name FROM spans") == [{"name": "span"}]
    assert to_rows(cursor, "SELECT count(*) AS n FROM journal_copies") == [{"n": 0}]
    cursor.close()
    assert sorted(tmp_path.rglob("*")) == before


def test_values_for_json(store: Store) -> None:
    cursor = store.cursor()
    [row] = to_rows(
        cursor,
        "SELECT TIMESTAMPTZ '2026-01-02 03:04:05.678+00' AS at, INTERVAL 1 DAY AS day, "
        "18446744073709551615::UBIGINT AS big, '\\x00\\xFF'::BLOB AS blob, 'nan'::DOUBLE AS nan, "
        "[1, 2] AS list, 1 AS same, 2 AS same, NULL AS nothing, ? AS given",
        ["it's"],
    )
    cursor.close()
    assert row == {
        "at": "2026-01-02T03:04:05.678000Z", "day": "PT86400S", "big": 2**64 - 1, "blob": "AP8=",
        "nan": None, "list": [1, 2], "same": 1, "same_1": 2, "nothing": None, "given": "it's",
    }  # fmt: skip


def test_times_with_a_zone_when_the_columns_of_a_table_change(store: Store) -> None:
    text, at = "2026-01-02T03:04:05Z", "TIMESTAMPTZ '2026-01-02 03:04:05+00'"
    sql = "SELECT * FROM changing ORDER BY 1"
    for columns, row in (
        (f"1 AS one, {at} AS at", {"one": 1, "at": text}),
        (f"1 AS one, {at} AS at", {"one": 1, "at": text}),
        (f"{at} AS at, 2 AS two", {"at": text, "two": 2}),
        (f"{at} AS at, {at} AS later", {"at": text, "later": text}),
        ("1 AS other", {"other": 1}),
        (f'1 AS one, {at} AS "odd "" name"', {"one": 1, 'odd " name': text}),
    ):
        with store.transaction() as connection:
            connection.execute(f"CREATE OR REPLACE TABLE changing AS SELECT {columns}")
        with store.reading() as cursor:
            assert to_rows(cursor, sql) == [row]
    with store.reading() as cursor:
        repeated = f"SELECT {at} AS at, 1 AS x, {at} AS AT -- a comment"
        for _ in range(2):
            assert to_rows(cursor, repeated) == [{"at": text, "x": 1, "AT": text}]
            cursor.execute("SELECT 1").fetchall()


def test_readers_do_not_see_what_is_not_committed(
    store: Store, span: Callable[..., SpanRow]
) -> None:
    seen: list[int] = []
    cursor = store.cursor()
    with store.transaction() as connection:
        connection.execute("INSERT INTO journal_copies VALUES ('a', 1, 1, true, NULL)")
        reader = threading.Thread(
            target=lambda: seen.append(len(to_rows(cursor, "FROM journal_copies")))
        )
        reader.start()
        reader.join(10)
    seen.append(len(to_rows(cursor, "FROM journal_copies")))
    cursor.close()
    assert seen == [0, 1]


@pytest.mark.parametrize(
    "value", ["[{}]", "{{'a': {}}}", "list_value({})", "row({})", "struct_pack(a := {})"]
)
def test_values_of_many_levels_are_refused(store: Store, value: str) -> None:
    """Each level takes memory that cannot be limited: 190 took 3 GB."""
    deep, flat = "1", "1"
    for _ in range(21):
        flat, deep = deep, value.format(deep)
    with store.reading() as cursor:
        with pytest.raises(QueryLimitError, match="more than 20 lists or structures"):
            to_rows(cursor, f"SELECT {deep} AS deep")
        assert len(to_rows(cursor, f"SELECT {flat} AS deep")) == 1


def test_rows_as_json_are_those_rows(store: Store) -> None:
    sql = (
        "SELECT range AS id, 'text \u00e9' AS text, [range, NULL] AS list, range / 7 AS part, "
        "range % 2 = 0 AS even, to_timestamp(range) AS at, NULL AS nothing FROM range(5000)"
    )

    def read(sql: str, limits: Limits = DEFAULT_LIMITS, most_ids: int = 0) -> list[str]:
        answer.free()
        return to_json_rows(cursor, sql, (), limits, None, answer, most_ids=most_ids)

    answer = Answer()
    with store.reading() as cursor:
        rows = to_rows(cursor, sql)
        assert read(sql, most_ids=5000) == [str(n) for n in range(5000)]
        assert json.loads(answer.whole()) == rows
        with pytest.raises(QueryLimitError, match="more than 4999 ids"):
            read(sql, most_ids=4999)
        assert read("SELECT 1 AS n WHERE false") == []
        assert answer.whole() == b"[]"
        with pytest.raises(QueryLimitError, match="larger than 1000 bytes"):
            read(sql, Limits(bytes=1000))
        with pytest.raises(QueryLimitError, match="more than 10 rows"):
            read(sql, Limits(rows=10))


def test_rows_come_in_small_parts(store: Store) -> None:
    """Values take many times the memory of their text, and no other thread runs meanwhile."""
    wide = f"SELECT {', '.join(f'range AS c{n}' for n in range(500))} FROM range(100)"
    deep = "SELECT [[[[[[[[[range]]]]]]]]] AS deep FROM range(3000)"
    long = "SELECT lpad('x', 10000, 'y') || lpad('x', 10000, 'y') AS text FROM range(500)"
    narrow = "SELECT range FROM range(9000)"
    with store.reading() as cursor:
        for sql, most in ((wide, 20), (deep, 100), (long, 16), (narrow, 2048)):
            pace, sizes = Pace(), list[int]()
            for batch in json_rows(cursor, sql, [], pace):
                sizes.append(len(batch))
                pace.note(len(json.dumps(batch)))
            assert max(sizes) == most
            assert sql is not long or max(sizes[1:]) < 16


def test_large_answers_are_made_in_turns(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part stops all other threads, so several at a time hold up those that answer others."""
    wide = f"SELECT {', '.join(f'range AS c{n}' for n in range(700))} FROM range(400)"
    small = "SELECT range FROM range(1000)"
    monkeypatch.setattr(json_rows_module, "_TURN_SECONDS", 600.0)
    made = Answer()

    def make() -> None:
        with store.reading() as cursor:
            to_json_rows(cursor, wide, [], DEFAULT_LIMITS, None, made)

    thread = threading.Thread(target=make)
    with json_rows_module._making:
        thread.start()
        with store.reading() as cursor:
            to_json_rows(cursor, small, [], DEFAULT_LIMITS, None, Answer())
        thread.join(2.0)
        assert thread.is_alive()
        assert 0 < made.size < 2 * json_rows_module._QUICK_BYTES
    thread.join(60)
    assert len(json.loads(made.whole())) == 400
    monkeypatch.setattr(json_rows_module, "_TURN_SECONDS", 0.001)
    with json_rows_module._making:  # as long as DuckDB takes for the rows of another query
        make()
    assert len(json.loads(made.whole())) == 400


def test_only_one_query_makes_large_rows(store: Store) -> None:
    """DuckDB does not count their texts: four queries took 500 MB for answers of 8 MB."""
    large = "SELECT repeat('text', 2500) AS text, range AS id FROM range(1000)"
    narrow = "SELECT repeat('text', 25) AS text, range AS id FROM range(100000)"
    answer, began = Answer(), threading.Event()

    def read(sql: str, limits: Limits = DEFAULT_LIMITS, gone: threading.Event | None = None) -> int:
        answer.add("before")
        with store.reading() as cursor:
            began.set()
            ids = to_json_rows(cursor, sql, [], limits, gone, answer, most_ids=100_000)
        document = answer.whole()
        assert [row["id"] for row in json.loads(document[6:])] == list(range(len(ids)))
        return len(document)

    whole = read(large)
    gone = threading.Event()
    with query_module._large_rows:
        assert read(narrow) > 10_000_000
        with pytest.raises(QueryMemoryError, match="Other queries with large rows"):
            read(large, replace(DEFAULT_LIMITS, seconds=0.5))
        assert answer.whole() == b"before"
        began.clear()
        threading.Timer(0.3, gone.set).start()
        with pytest.raises(QueryLimitError, match="closed"):
            read(large, gone=gone)
        assert answer.whole() == b"before"
        sizes = list[int]()
        thread = threading.Thread(target=lambda: sizes.append(read(large)))
        began.clear()
        thread.start()
        began.wait()
        time.sleep(0.3)
        assert thread.is_alive()
    thread.join(60)
    assert sizes == [whole]
    assert read(large) == whole, "the turn is free"


def test_a_query_of_many_columns_or_values_is_refused(store: Store) -> None:
    """Its tree took 600 MB, and stopped all other threads for up to a second."""
    with store.reading() as cursor:
        for sql in (
            f"SELECT {', '.join(f'range + {n} AS c{n}' for n in range(1500))} FROM range(9)",
            f"SELECT 1 WHERE 1 IN ({','.join(['1'] * 20_000)})",
            f"VALUES {','.join(['(1)'] * 10_000)}",
        ):
            with pytest.raises(QueryLimitError, match="too many columns, values or conditions"):
                to_rows(cursor, sql)
        assert len(to_rows(cursor, "SELECT unnest(?) AS n", [list(range(50_000))])) == 50_000


def test_long_statements_other_than_select_are_refused(store: Store) -> None:
    """Only short ones are split by DuckDB's parser, which stops all other threads meanwhile."""
    comment = f"/* {'x' * 5000} */"
    with store.reading() as cursor:
        for sql in (
            f"DELETE FROM spans {comment}",
            f"SELECT 1 {comment}; DELETE FROM spans",
            f"SELECT 1; SELECT 2 {comment}",
            f"EXPLAIN ANALYZE DELETE FROM spans {comment}",
            f"EXPLAIN SELECT 1; DELETE FROM spans {comment}",
            f"PRAGMA version {comment}",
            f"SELECT {comment}",
        ):
            with pytest.raises(QueryError, match=r"not allowed|2 statements"):
                to_rows(cursor, sql)
        assert to_rows(cursor, f"SELECT 1 AS n {comment}") == [{"n": 1}]
        assert to_rows(cursor, f"EXPLAIN SELECT 1 AS n {comment}")


def test_an_arrow_stream_is_the_table(store: Store) -> None:
    sql = "SELECT range AS n, [range] AS list, 'a'::ENUM ('a', 'b') AS letter FROM range(5000)"
    answer = Answer()
    with store.reading() as cursor:
        to_arrow_stream(cursor, sql, (), DEFAULT_LIMITS, None, answer)
        with pa.ipc.open_stream(answer.whole()) as reader:
            assert reader.read_all().to_pylist() == to_arrow(cursor, sql).to_pylist()
        with pytest.raises(QueryLimitError, match="more than 10 rows"):
            to_arrow_stream(cursor, sql, (), Limits(rows=10), None, answer)
