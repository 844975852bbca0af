"""The files of the archive: which are Playhead's, and which of them cannot be read.

`archive/{table}/day=YYYY-MM-DD/part-{run}.parquet`, where the run has 12 hexadecimal digits. Files
with other names, such as those of other engines, are neither read nor changed.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

from playhead.regular_file import is_other

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "ARCHIVE",
    "HINT",
    "archive_problem",
    "archived_files",
    "damage",
    "literal_pattern",
    "part_files",
    "read_files",
    "set_unknown_aside",
]

ARCHIVE = "archive"
_PART = re.compile(r"part-([0-9a-f]{12})\.(parquet|writing)")
_IN_ARCHIVE = re.compile(rf"/{ARCHIVE}/\w+/day=[^/]+/part-")
_PATTERN = f"part-{'[0-9a-f]' * 12}.parquet"
"""The same for the functions of DuckDB."""
HINT = "Move it away, or put the file of a backup in its place, and start the recorder again"


def part_files(folder: Path, table: str) -> list[Path]:
    """Return the files of a table, and what stands in the place of one, sorted.

    Args:
        folder: Folder of the store.
        table: Name of the table.
    """
    found = (folder / ARCHIVE / table).glob("day=*/part-*.parquet")
    return sorted(path for path in found if _PART.fullmatch(path.name))


def archived_files(folder: Path, table: str) -> str:
    """Return the pattern of a table's files; empty without files."""
    if not part_files(folder, table):
        return ""
    return f"{literal_pattern(folder / ARCHIVE / table)}/day=*/{_PATTERN}"


def read_files(files: str) -> str:
    """Return the SQL that reads the files of a pattern, as a source of rows."""
    text = files.replace("'", "''")
    return f"read_parquet('{text}', hive_partitioning = true, union_by_name = true)"


def damage(cursor: duckdb.DuckDBPyConnection, folder: Path, table: str) -> str | None:
    """Return which file of a table cannot be read, as a sentence; None if all can be.

    Args:
        cursor: A connection of its own: an error ends the transaction of a connection.
        folder: Folder of the store.
        table: Name of the table.
    """
    import duckdb

    paths = part_files(folder, table)
    for path in paths:
        # DuckDB leaves out pipes, folders and broken links, and rows would be missing.
        if is_other(path) or not path.exists():
            return f"The archived file {path} is not a file. {HINT}."
    if not paths:
        return None
    try:
        cursor.execute(f"FROM {read_files(archived_files(folder, table))} LIMIT 0").fetchall()
    except duckdb.Error as error:
        for path in paths:
            if (reason := _unreadable(cursor, path)) is not None:
                return f"The archived file {path} cannot be read: {reason}. {HINT}."
        return f"The archive of {table} cannot be read: {_first_line(error)}. {HINT}."
    return None


def _unreadable(cursor: duckdb.DuckDBPyConnection, path: Path) -> str | None:
    import duckdb

    try:
        cursor.execute(f"FROM {read_files(literal_pattern(path))} LIMIT 0").fetchall()
    except duckdb.Error as error:
        return _first_line(error)
    return None


def literal_pattern(path: Path) -> str:
    """Return a path as a pattern of DuckDB that only it matches."""
    return re.sub(r"([*?\[])", r"[\1]", str(path.absolute()))


def archive_problem(error: Exception) -> str | None:
    """Return what is wrong with a file of the archive; None if an error has another reason."""
    text = _first_line(error)
    if text.startswith(("The archived file ", "The archive of ")):
        return f"{text}."
    if _IN_ARCHIVE.search(text):  # it was damaged after the views were made
        return f"A file of the archive cannot be read: {text}. {HINT}."
    return None


def _first_line(error: Exception) -> str:
    text = str(error).splitlines()[0].rstrip(".!")
    return re.sub(r"^(\w+ )+Error: ", "", text)


def set_unknown_aside(folder: Path, known: Container[str]) -> int:
    """Keep files of runs that the database does not know from being read; return their number.

    They are of a run that was interrupted, or of another database: an older copy, or one that was
    moved away. They get names that no engine reads. Files that are not complete are removed.

    Args:
        folder: Folder of the store.
        known: The runs of the database.
    """
    kept = 0
    for path in (folder / ARCHIVE).glob("*/day=*/part-*"):
        found = _PART.fullmatch(path.name)
        if found is None or found[1] in known or not stat.S_ISREG(path.lstat().st_mode):
            continue
        if found[2] == "writing":
            path.unlink()
        else:
            path.rename(path.with_name(f"_part-{found[1]}.set-aside"))
            kept += 1
    return kept
