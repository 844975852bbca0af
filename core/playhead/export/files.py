"""Export to files: OTLP/JSON lines, and Parquet in a folder per day."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from playhead.errors import ExportError
from playhead.export.otlp_encoding import batches
from playhead.export.otlp_lines import otlp_json
from playhead.export.stored_spans import SpanReader, span_key
from playhead.regular_file import is_other
from playhead.store.arrow import pa, pc
from playhead.store.span_ids import SpanIdSet
from playhead.store.tables import SPAN_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Generator

    from playhead.export.report import Report
    from playhead.store.arrow import ArrowTable

__all__ = ["new_file", "write_otlp_json", "write_parquet"]

DAY = "day"
_HINT = "Name another place, which can be written and has room."
_NANOS_PER_MICRO = 1000
_JSON = [name for name, kind in SPAN_COLUMNS.items() if kind == "JSON"]
_UNSIGNED = [name for name, kind in SPAN_COLUMNS.items() if kind.startswith("U")]


async def write_otlp_json(
    reader: SpanReader, path: Path, report: Report, progress: Callable[[Report], None]
) -> None:
    """Write the spans to a new file, one OTLP/JSON request per line; only the owner can read it.

    The file appears when it is complete.

    Raises:
        ExportError: The file exists already, or cannot be written.
    """
    with new_file(path) as file:
        async for _, spans in reader.spans():
            for batch in batches(spans):
                file.write(otlp_json(batch).encode(errors="replace") + b"\n")
            report.accepted += len(spans)
            progress(report)


@contextmanager
def new_file(path: Path) -> Generator[IO[bytes]]:
    """Open a temporary file that gets its name when the block ends without an exception.

    Only its owner can read it.

    Raises:
        ExportError: The file exists already, or cannot be written.
    """
    if os.path.lexists(path):
        raise ExportError(f"{path} exists already", "Name another file, or delete this one.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # In a folder of all users, another one may have made a link of this name.
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}", _HINT) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}", _HINT) from error
    finally:
        temporary.unlink(missing_ok=True)


async def write_parquet(
    reader: SpanReader, folder: Path, report: Report, progress: Callable[[Report], None]
) -> None:
    """Add the spans that the folder does not have yet, in Hive partitions by day (UTC).

    Each call writes one file per day, `day=2026-11-21/spans-….parquet`, which appears when it is
    complete. Columns are those of the table `spans`, with signed integers, which Spark needs, and
    `start_time` as a timestamp.

    Raises:
        ExportError: The folder has unusable files, or cannot be written.
    """
    import pyarrow.parquet as pq

    parquet: Any = pq
    before = _stored_keys(folder)
    writers: dict[str, tuple[Any, Path, Path]] = {}
    try:
        async for _, table in reader.parts():
            keys = _keys(table)
            new = pa.array([key not in before for key in keys.to_pylist()], pa.bool_())
            report.sent_before += table.num_rows - (new.true_count if len(new) else 0)
            added = _parquet_table(table.filter(new))
            days = added.column(DAY)
            for day in pc.unique(days).to_pylist():
                if day not in writers:
                    final = _new_file(folder / f"{DAY}={day}")
                    temporary = final.with_name(f"_{final.name}.{os.getpid()}")
                    schema = added.schema.remove(added.schema.get_field_index(DAY))
                    writer = parquet.ParquetWriter(temporary, schema, compression="zstd")
                    writers[day] = (writer, temporary, final)
                rows = added.filter(pc.equal(days, day)).drop_columns([DAY])
                writers[day][0].write_table(rows)
            report.accepted += added.num_rows
            progress(report)
        for writer, temporary, final in writers.values():
            writer.close()
            temporary.replace(final)
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error}", _HINT) from error
    except UnicodeEncodeError as error:
        raise ExportError(
            f"{folder} is not a name in UTF-8, as Parquet files need", _HINT
        ) from error
    finally:
        for writer, temporary, _ in writers.values():
            writer.close()
            temporary.unlink(missing_ok=True)


def _stored_keys(folder: Path) -> SpanIdSet:
    """Return the keys of the spans in the folder's files; create the folder if it is missing."""
    import pyarrow.parquet as pq

    parquet: Any = pq
    columns = ["trace_id", "span_id"]
    found: list[Any] = []
    place = folder
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for place in sorted(folder.glob(f"{DAY}=*/*.parquet")):
            if place.name.startswith(("_", ".")):
                continue
            if is_other(place):  # to open a pipe would wait for its writer
                raise OSError("it is not a file")
            found.append(_keys(parquet.ParquetFile(place).read(columns=columns)))
    except (OSError, ValueError, KeyError) as error:
        hint = "Move it away, or name another folder."
        if place != folder:
            hint = f"It may have spans that would be written again. {hint}"
        reason = error.strerror if isinstance(error, OSError) else None
        raise ExportError(f"{place} cannot be used: {reason or error}", hint) from error
    return SpanIdSet(pa.chunked_array(found, pa.uint64()))


def _keys(table: ArrowTable) -> Any:
    """Return the keys of spans, as `StoredSpan.key` does."""
    pairs = zip(
        table.column("trace_id").to_pylist(), table.column("span_id").to_pylist(), strict=True
    )
    return pa.array([span_key(trace, span) for trace, span in pairs], pa.uint64())


def _parquet_table(table: ArrowTable) -> Any:
    start = table.column("start_unix_nano").cast(pa.int64())
    time = pc.divide(start, _NANOS_PER_MICRO).cast(pa.timestamp("us", "UTC"))
    for name in _UNSIGNED:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table.column(name).cast(pa.int64()))
    for name in _JSON:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table.column(name).cast(pa.string()))
    table = table.replace_schema_metadata(None)
    table = table.append_column("start_time", time)
    return table.append_column(DAY, pc.strftime(time, "%Y-%m-%d"))


def _new_file(folder: Path) -> Path:
    """Return a name that no file in the folder has."""
    folder.mkdir(mode=0o700, exist_ok=True)
    numbers = [int(n) for f in folder.glob("spans-*.parquet") if (n := f.stem[6:]).isdigit()]
    return folder / f"spans-{max(numbers, default=0) + 1:06d}.parquet"
