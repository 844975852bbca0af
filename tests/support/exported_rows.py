"""Rows of spans for tests of exports and imports, and a recorder process."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from click.testing import Result
from playhead.record.endpoint import read_endpoint
from playhead.record.process import start_recorder
from playhead.settings import Settings
from playhead.store.span_writer import UNSET, SpanRow

Run = Callable[..., Result]
"""Runs a `playhead` command on the store of the test."""
Write = Callable[[list[SpanRow]], None]
"""Writes spans into the store of the test."""
START = 1_795_000_000_000_000_000
RESOURCE = {"service.name": "agents", "host.name": "local"}


def row(
    number: int,
    *,
    trace: int = 0,
    parent: int | None = None,
    name: str | None = None,
    start: int | None = None,
    end: int | None = -1,
    attributes: dict[str, Any] | None = None,
    resource: dict[str, Any] | None = None,
    scope: str = "scope",
    status: tuple[str, str] = ("unset", ""),
    events: list[Any] | None = None,
    links: list[Any] | None = None,
    invocation: str | None = None,
    rest: tuple[Any, ...] = UNSET,
) -> SpanRow:
    """Return a span; `end=None` makes it pending. `rest` are the columns from `trace_state` on."""
    start = START + number * 1000 if start is None else start
    found = RESOURCE if resource is None else resource
    values: Any = (
        f"{trace + 1:032x}",
        f"{number + 1:016x}",
        None if parent is None else f"{parent + 1:016x}",
        name or f"span {number}",
        "internal",
        found.get("service.name", ""),
        scope,
        start,
        start + 500 if end == -1 else end,
        *status,
        json.dumps(attributes if attributes is not None else {"number": number}),
        json.dumps(found),
        json.dumps(events or []),
        json.dumps(links or []),
        invocation,
        *rest,
    )
    return values


def rich_rows() -> list[SpanRow]:
    """Return spans with every kind of value that the store keeps."""
    values: dict[str, Any] = {
        "text": "héllo \u001b[31m",
        "yes": True,
        "no": False,
        "largest": 2**63 - 1,
        "least": -(2**63),
        "number": 1.0,
        "large": 1e300,
        "list": ["a", 1, 2.5, None, {"deep": [True]}],
        "map": {"a": {"b": {"c": [1, 2]}}},
        "empty list": [],
        "empty map": {},
        "nothing": None,
        "": "an empty name",
    }
    values |= {"bytes": "AAH/", "not a number": "nan", "endless": "-inf", "the word": "nan"}
    values |= {"zero": -0.0, "inside": [1, "YQ==", {"far": "inf"}]}
    types: dict[str, Any] = {"bytes": "bytes", "not a number": "double", "endless": "double"}
    types |= {"inside": {"1": "bytes", "2": {"far": "double"}}}
    nested = {
        "trace_id": f"{9:032x}",
        "span_id": f"{9:016x}",
        "attributes": {"kind": "cause"},
        "trace_state": "a=1",
        "flags": 257,
        "dropped_attributes_count": 3,
    }
    event = {
        "name": "exception",
        "time_unix_nano": START + 7,
        "attributes": values,
        "dropped_attributes_count": 1,
        "attribute_types": types,
    }
    scope = {
        "version": "1.2",
        "attributes": values,
        "schema_url": "https://example.com/scope",
        "dropped_attributes_count": 2,
        "attribute_types": types,
    }
    entity = {"schema_url": "", "type": "host", "id_keys": ["host.name"], "description_keys": []}
    resource = {
        "schema_url": "https://example.com/resource",
        "dropped_attributes_count": 4,
        "attribute_types": {"key": "bytes"},
        "entity_refs": [entity],
    }
    rest = ("k=v", 769, 1, 2, 2**32 - 1, *map(json.dumps, (types, scope, resource)))
    return [
        row(
            0, attributes=values, status=("error", "it failed"), events=[event], links=[nested],
            resource={"service.name": "agents", "key": "AA=="}, rest=rest,
        ),
        row(1, parent=0, resource={"service.name": "Restate", "n": 7}, status=("ok", "")),
        row(2, parent=0, scope="other scope", attributes={}),
        row(3, trace=1, start=2**63 - 10, end=2**63 + 10, invocation="inv_1"),
    ]  # fmt: skip


@contextlib.contextmanager
def recording(store: Path) -> Generator[str]:
    """Run a recorder on this store; yield the address of its OTLP receiver."""
    settings = Settings(store=store, admin_url="http://127.0.0.1:1")
    log = store.parent / "recorder.log"
    child = start_recorder(settings, log, free_ports=True, journals=False)
    try:
        endpoint = read_endpoint(store)
        assert endpoint is not None
        yield f"http://127.0.0.1:{endpoint.otlp_http_port}"
    finally:
        child.stop()
