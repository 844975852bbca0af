"""What can go wrong between Playhead and a Restate server.

RestateError
├── Unreachable      nobody answers, or the answer took too long
├── Unauthorised     the server wants another token
├── QueryFailed      the server refused or could not finish a query
├── NotFound         it has no such invocation, deployment or awakeable
└── Refused          it knows the thing, but will not do this to it
"""

from __future__ import annotations

__all__ = ["NotFound", "QueryFailed", "Refused", "RestateError", "Unauthorised", "Unreachable"]


class RestateError(Exception):
    """Base of all of them: a title and a next step, both for people."""

    def __init__(self, title: str, hint: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.hint = hint


class Unreachable(RestateError):  # noqa: N818
    """Nobody answers at the address, or the answer took too long."""


class Unauthorised(RestateError):  # noqa: N818
    """The server wants another token (401 or 403)."""


class QueryFailed(RestateError):  # noqa: N818
    """The server refused a query or could not finish it."""


class NotFound(RestateError):  # noqa: N818
    """The server has no such thing."""


class Refused(RestateError):  # noqa: N818
    """The server knows the thing, but will not do this to it; the title says why."""
