"""Handlers of registered services, and calls to them through the ingress."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from playhead.values import as_dict, as_list, as_text

__all__ = [
    "Handler",
    "RequestBody",
    "SentRequest",
    "ServiceHandlers",
    "example_of",
    "handlers_of",
    "mismatch",
    "request_body",
]

_DEPTH = 6
"""Levels of a schema that an example follows."""
_EMPTY: Final = {"string": '""', "integer": "0", "number": "0", "boolean": "false", "array": "[]"}
"""An empty value of each type, as JSON."""
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
    "array": (list,), "object": (dict,), "null": (type(None),),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Handler:
    """A handler of a service, as the admin API describes it."""

    name: str
    shared: bool
    """Whether it runs beside others on the same key, as the handlers that answer a workflow do."""
    public: bool
    """Whether the ingress accepts requests for it."""
    input: str
    """Description of its input: `application/json`, `JSON string`, `text/plain`, `none`, …"""

    schema: Any = None
    """JSON schema of its input, if the service declares one."""

    @property
    def takes_text(self) -> bool:
        """Whether its input is bytes of a type that is not JSON."""
        return "/" in self.input and "json" not in self.input.lower()


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The body of a request."""

    content: bytes | None
    content_type: str | None


@dataclass(frozen=True, slots=True)
class ServiceHandlers:
    """The handlers of a service."""

    keyed: bool
    """Whether requests name a key, as those to virtual objects and workflows do."""
    handlers: tuple[Handler, ...]


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request that the server accepted."""

    invocation_id: str
    is_new: bool
    """False if the workflow with this key has run already: its invocation is named."""


def handlers_of(service: Mapping[str, Any]) -> tuple[Handler, ...]:
    """Return the handlers in the admin API's document about a service, by name.

    The server has no order: it differs from answer to answer.
    """
    found = (
        Handler(
            name=str(handler["name"]),
            shared=handler.get("ty") == "Shared",
            public=bool(handler.get("public", True)),
            input=str(handler.get("input_description") or "none"),
            schema=handler.get("input_json_schema"),
        )
        for handler in service.get("handlers", ())
    )
    return tuple(sorted(found, key=lambda handler: handler.name))


def request_body(handler: Handler, value: Any) -> RequestBody:
    """Return a value as the body that the handler accepts; a handler without input gets none.

    Args:
        handler: The handler.
        value: A JSON value; a handler of text gets text without its quotes.
    """
    if handler.input == "none":
        return RequestBody(None, None)
    if handler.takes_text and isinstance(value, str):
        return RequestBody(value.encode(), handler.input.split()[0])
    return RequestBody(json.dumps(value, ensure_ascii=False).encode(), "application/json")


def example_of(schema: Any, *, depth: int = _DEPTH) -> Any:
    """Return an empty value of the form that a JSON schema describes; None if it names none."""
    return _example(as_dict(schema), as_dict(as_dict(schema).get("$defs")), depth)


def _example(schema: Mapping[str, Any], named: Mapping[str, Any], depth: int) -> Any:
    for known in ("default", "const"):
        if known in schema:
            return schema[known]
    for several in ("enum", "examples"):
        if values := as_list(schema.get(several)):
            return values[0]
    if depth <= 0:
        return None
    if reference := as_text(schema.get("$ref")):
        return _example(as_dict(named.get(reference.rpartition("/")[2])), named, depth - 1)
    for several in ("anyOf", "oneOf", "allOf"):
        if forms := as_list(schema.get(several)):
            return _example(as_dict(forms[0]), named, depth - 1)
    if schema.get("type") == "object" or "properties" in schema:
        return {
            name: _example(as_dict(form), named, depth - 1)
            for name, form in as_dict(schema.get("properties")).items()
        }
    return json.loads(_EMPTY.get(str(schema.get("type")), "null"))


def mismatch(schema: Any, value: Any) -> str | None:
    """Return why a value has not the type, or not the members, that a JSON schema requires.

    Deeper values are left to the handler, which refuses what it cannot read.
    """
    form = as_dict(schema)
    named = form.get("type")
    types = _TYPES.get(named) if isinstance(named, str) else None
    if types and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
        return f"Not a value of type {named}."
    if isinstance(value, dict):
        missing = [str(name) for name in as_list(form.get("required")) if name not in value]
        if missing:
            return f"Without {', '.join(missing)}."
    return None
