"""Handlers of registered services, and calls to them through the ingress."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["Handler", "RequestBody", "handlers_of", "request_body"]


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

    @property
    def takes_text(self) -> bool:
        """Whether its input is bytes of a type that is not JSON."""
        return "/" in self.input and "json" not in self.input.lower()


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The body of a request."""

    content: bytes | None
    content_type: str | None


def handlers_of(service: dict[str, Any]) -> tuple[Handler, ...]:
    """Return the handlers in the admin API's document about a service."""
    return tuple(
        Handler(
            name=str(handler["name"]),
            shared=handler.get("ty") == "Shared",
            public=bool(handler.get("public", True)),
            input=str(handler.get("input_description") or "none"),
        )
        for handler in service.get("handlers", ())
    )


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
