"""Rows as JSON documents, for `--json`."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

import click

__all__ = ["echo_json", "plain"]


def plain(value: Any) -> Any:
    """A value of dataclasses, times and bytes as JSON can hold it.

    Times are ISO 8601 in UTC with `Z`; bytes `{"base64": …}`.
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[Any]", value)]
    return str(value)


def echo_json(value: Any, *, lines: bool = False) -> None:
    """Write one JSON document to standard output; with `lines`, on a line of its own."""
    # JSON escapes control characters; lone surrogates stay escapes too.
    text = json.dumps(plain(value), ensure_ascii=False, indent=None if lines else 2)
    click.echo(text.encode("utf-8", "backslashreplace"))
