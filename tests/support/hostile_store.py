"""A store in which every text from outside is hostile to a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playhead.replay import Recording
from playhead.store.database import Store
from playhead.store.span_writer import SpanWriter
from playhead.store.tables import SPAN_COLUMNS

__all__ = ["FORBIDDEN", "HOSTILE", "hostile_store"]

RECORDINGS = Path(__file__).parents[1] / "recordings" / "v6"

HOSTILE = (
    "\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b]8;;http://x\x1b\\link\x1bP$q\x1b\\\x9b2J\x9d0;c1\x9c"
    "\x85\x7f\x08\x0e\x0f\r\u200f\u061c\u202egnp\u2066x\u2069\u2028\ufeff\U000e0041"
    "[bold]x[/bold][/]$primary[@click=app.quit]q[/]\u200e\udcff\ud800"
)
"""Escape sequences, C0 and C1 controls, bidirectional and invisible marks, surrogates, markup."""

FORBIDDEN = "".join(
    map(
        chr,
        [
            *(c for c in range(0x20) if chr(c) not in "\n\r\t\x1b"),
            *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F),
            *range(0x2066, 0x2070), 0xFEFF, 0xE0041,
        ],
    )
)  # fmt: skip
"""Characters that no command and no screen may write; escape sequences are judged apart."""

_KEPT = {
    "id", "status", "completion_result", "entry_type", "event_type", "trace_id", "span_id",
    "parent_span_id", "invocation_id", "kind", "target_service_ty", "status_code",
    "entry_lite_json", "event_json", "suspended_waiting_future_json", "last_attempt_server",
    "last_awaiting_on_future_json",
}  # fmt: skip
"""Columns of ids, enumerations and documents of the server."""


def hostile_store(folder: Path) -> list[str]:
    """Make a store with three invocations and their spans; return the ids."""
    # UTF-8 has no surrogates, so a store cannot have any.
    text = HOSTILE.encode("utf-8", "ignore").decode()
    store = Store(folder)
    ids: list[str] = []
    with store.transaction() as connection:
        for name in ("trip", "run_ok", "approval_waiting"):
            recording = Recording.load(RECORDINGS / f"{name}.journal.json")
            ids.append(recording.id)
            known = {
                row[0]: row[1]
                for row in connection.execute(
                    "SELECT column_name, data_type FROM information_schema.columns "
                    "WHERE table_name = 'invocations'"
                ).fetchall()
            }
            row = {
                k: v
                for k, v in recording.invocation.items()
                if k in known and v is not None and not known[k].endswith(("[]", "INTERVAL"))
            }
            row |= {"completion_failure": "failed", "last_failure": "failed before"}
            _insert(connection, "invocations", row)
            for e in recording.entries:
                _insert(
                    connection,
                    "journal",
                    {
                        "id": recording.id, "index": e.index, "entry_type": e.type,
                        "name": e.name, "raw": e.raw, "appended_at": e.appended_at, "version": 2,
                    },
                )  # fmt: skip
            event = {"ty": "TransientError", "error_code": 500, "error_message": text}
            _insert(
                connection,
                "journal_events",
                {
                    "id": recording.id, "after_journal_entry_index": 1,
                    "appended_at": recording.entries[0].appended_at,
                    "event_type": "TransientError", "event_json": json.dumps(event),
                },
            )  # fmt: skip
        for key in ("key", text):
            value = text.encode()
            _insert(
                connection,
                "state",
                {
                    "service_name": "hostile", "service_key": key, "key": text, "value": value,
                    "value_length": len(value),
                },
            )  # fmt: skip
    messages = json.dumps([{"role": text, "parts": [{"type": "text", "content": text}]}])
    attributes = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": text,
        "gen_ai.input.messages": messages, "gen_ai.output.messages": messages, text: text,
    }  # fmt: skip
    rows: list[Any] = []
    for number, id_ in enumerate(ids):
        span = {
            "trace_id": f"{number:032x}", "span_id": f"{number + 1:016x}", "parent_span_id": None,
            "name": text, "kind": "internal", "service_name": text, "scope_name": text,
            "start_unix_nano": 1_700_000_000_000_000_000, "status_code": "error",
            "end_unix_nano": 1_700_000_001_000_000_000, "status_message": text,
            "attributes": json.dumps({**attributes, "restate.invocation.id": id_}),
            "resource": json.dumps({"service.name": text}), "events": "[]", "links": "[]",
            "invocation_id": id_,
        }  # fmt: skip
        rows.append(tuple(span.get(name) for name in SPAN_COLUMNS))
    SpanWriter(store).write(rows)
    with store.transaction() as connection:
        for table in ("invocations", "journal"):
            names = connection.execute(
                "SELECT column_name FROM information_schema.columns "
                "WHERE table_name = ? AND data_type = 'VARCHAR'",
                [table],
            ).fetchall()
            changes = ", ".join(
                f'"{name}" = "{name}" || $1' for [name] in names if name not in _KEPT
            )
            connection.execute(f"UPDATE {table} SET {changes}", [text])
    store.close()
    return ids


def _insert(connection: Any, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))
