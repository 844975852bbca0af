"""A store with rows of chosen content, and a reader of its file."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playhead.reader.reader import Reader
from playhead.record.file_client import FileClient
from playhead.store.arrow import pa
from playhead.store.calls.call_table import rebuild_calls
from playhead.store.database import DATABASE, Store
from playhead.store.figures import begin_figures, update_figures
from playhead.store.span_writer import SpanWriter
from playhead.store.tables import SPAN_COLUMNS, TABLES

START = datetime(2026, 3, 14, 15, tzinfo=UTC)


class ClosedStore(FileClient):
    """A client of the file, without looking for a recorder."""

    recording = False
    keeps_rows = False


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def nano(seconds: float) -> int:
    return int((START.timestamp() + seconds) * 1e9)


@dataclass
class RecordedStore:
    """Rows to write into a store."""

    folder: Path
    invocations: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    journal: list[dict[str, Any]] = field(default_factory=list)
    state: list[dict[str, Any]] = field(default_factory=list)
    spans: list[tuple[Any, ...]] = field(default_factory=list)

    def invocation(
        self, id_: str, target: str = "Agent/run", *, created: float = 0.0, **more: Any
    ) -> str:
        service, *key, handler = target.split("/")
        self.invocations.append({
            "id": id_, "target": target, "target_service_name": service,
            "target_handler_name": handler, "target_service_key": key[0] if key else None,
            "status": "completed", "completion_result": "success", "created_at": at(created),
            "modified_at": at(created + 10), "running_at": at(created),
            "completed_at": at(created + 10), **more,
        })  # fmt: skip
        return id_

    def span(
        self,
        invocation: str | None,
        attributes: Mapping[str, Any],
        *,
        name: str = "span",
        start: float = 1.0,
        seconds: float | None = 1.0,
        status: str = "unset",
        message: str = "",
        events: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        number = len(self.spans) + 1
        row: dict[str, Any] = {
            "trace_id": f"{1:032x}", "span_id": f"{number:016x}", "parent_span_id": None,
            "name": name, "kind": "internal", "service_name": "agents", "scope_name": "test",
            "start_unix_nano": nano(start), "status_code": status, "status_message": message,
            "end_unix_nano": None if seconds is None else nano(start + seconds),
            "attributes": json.dumps(attributes), "resource": "{}", "links": "[]",
            "events": json.dumps(list(events)), "invocation_id": invocation,
        }  # fmt: skip
        self.spans.append(tuple(row.get(column) for column in SPAN_COLUMNS))

    def chat(
        self,
        invocation: str,
        model: str,
        tokens: tuple[int, int],
        *,
        provider: str | None = "openai",
        agent: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        self.span(
            invocation,
            {
                "gen_ai.operation.name": "chat",
                **({"gen_ai.provider.name": provider} if provider else {}),
                **({"gen_ai.agent.name": agent} if agent else {}),
                "gen_ai.response.model": model,
                "gen_ai.usage.input_tokens": tokens[0],
                "gen_ai.usage.output_tokens": tokens[1],
                **(attributes or {}),
            },
            name=f"chat {model}",
            **more,
        )

    def failure(self, invocation: str, seconds: float, document: Mapping[str, Any]) -> None:
        self.events.append({
            "id": invocation, "after_journal_entry_index": 0, "appended_at": at(seconds),
            "event_type": "TransientError", "event_json": json.dumps({
                "ty": "TransientError", **document,
            }),
        })  # fmt: skip

    def write(self, *, built: bool = True) -> Reader:
        """Write the rows and return a reader of the file, without a server.

        Args:
            built: Whether the recorder has built its tables of calls and figures.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        store = Store(self.folder)
        try:
            if self.spans:
                SpanWriter(store).write(self.spans)
            with store.transaction() as connection:
                _insert(connection, "invocations", self.invocations)
                _insert(connection, "journal_events", self.events)
                _insert(connection, "journal", self.journal)
                _insert(connection, "state", self.state)
            if built:
                rebuild_calls(store, threading.Event())
                begin_figures(store)
                while update_figures(store):
                    pass
        finally:
            store.close()
        return Reader(None, ClosedStore(self.folder / DATABASE))


def _insert(connection: Any, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = sorted({name for row in rows for name in row})
    if not rows:
        return
    types = TABLES[table].types
    batch = pa.table({name: [row.get(name) for row in rows] for name in columns})
    connection.register("rows_to_insert", batch)
    try:
        chosen = ", ".join(f'"{name}"::{types[name]}' for name in columns)
        names = ", ".join(f'"{name}"' for name in columns)
        connection.execute(f"INSERT INTO {table} ({names}) SELECT {chosen} FROM rows_to_insert")
    finally:
        connection.unregister("rows_to_insert")
