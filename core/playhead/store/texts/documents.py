"""The documents of the text index: what was recorded about one invocation, as one text.

A document has all texts that `playhead.store.texts.recorded` searches, and may have more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from playhead.store.texts.recorded import span_texts

__all__ = ["MARKS", "Document", "read_documents"]

_SPLIT = '"role"'
"""Messages of earlier calls are repeated in later ones. Split here, most parts are equal."""

MARKS = """
SELECT i.id AS id, hash(i.target, i.last_failure, i.completion_failure, s.mark, j.mark, e.mark)
  AS mark
FROM invocations AS i
LEFT JOIN (
  SELECT invocation_id AS id, hash(count(*), count(end_unix_nano), bit_xor(hash(span_id))) AS mark
  FROM spans WHERE {spans} GROUP BY id
) AS s USING (id)
LEFT JOIN (
  SELECT id, hash(count(*), sum("index"), sum(raw_length)) AS mark
  FROM journal WHERE {journal} GROUP BY id
) AS j USING (id)
LEFT JOIN (
  SELECT id, hash(count(*), sum(epoch_us(appended_at))) AS mark
  FROM journal_events WHERE {journal} GROUP BY id
) AS e USING (id)
WHERE i.{journal}
"""
"""SELECT of a number for each invocation, which changes with its document."""

_IDS = "(SELECT unnest($ids::VARCHAR[]))"
_MARKS = MARKS.format(spans=f"invocation_id IN {_IDS}", journal=f"id IN {_IDS}")
_HEADS = f"""
SELECT i.id, epoch_us(created_at), mark,
  concat_ws(chr(10), i.id, target, last_failure, completion_failure, $split)
FROM invocations AS i JOIN ({_MARKS}) AS marks USING (id)
"""
_TEXTS = f"""
SELECT DISTINCT id, unnest(string_split(text, $split)) AS piece FROM (
  SELECT invocation_id AS id, unnest({span_texts()}) AS text FROM spans
  WHERE rowid IN (SELECT rowid FROM spans WHERE invocation_id IN {_IDS})
  UNION ALL SELECT id, event_json FROM journal_events
  WHERE rowid IN (SELECT rowid FROM journal_events WHERE id IN {_IDS})
) WHERE text <> ''
"""
_RAW = f"""
SELECT id, raw FROM journal WHERE rowid IN (SELECT rowid FROM journal WHERE id IN {_IDS})
"""


@dataclass(frozen=True, slots=True)
class Document:
    """What was recorded about one invocation."""

    id: str
    created_us: int
    """When it was created, in microseconds since 1970."""
    mark: int
    """Changes with the document."""
    text: str


def read_documents(cursor: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> list[Document]:
    """Return the documents of these invocations; unknown ones are left out."""
    wanted = {"ids": list(ids)}
    cursor.execute("BEGIN TRANSACTION READ ONLY")
    try:
        heads = cursor.execute(_HEADS, {**wanted, "split": _SPLIT}).fetchall()
        texts = cursor.execute(_TEXTS, {**wanted, "split": _SPLIT}).fetchall()
        raws = cursor.execute(_RAW, wanted).fetchall()
    finally:
        cursor.execute("ROLLBACK")
    pieces: Mapping[str, list[str]] = defaultdict(list)
    for id_, piece in texts:
        pieces[id_].append(piece)
    for id_, raw in raws:
        pieces[id_].append(bytes(raw).decode(errors="replace"))
    return [
        Document(id_, created or 0, mark, "\n".join([head, *pieces[id_]]))
        for id_, created, mark, head in heads
    ]
