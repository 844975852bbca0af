"""The private parts of restate-sdk that the bridge needs, in one place.

Not here: what the bridge does with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from restate.endpoint import Endpoint
from restate.handler import Handler


class NotARestateApp(TypeError):  # noqa: N818 - reads as what it says
    """`instrument()` was given something that `restate.app(...)` did not return."""


def endpoint_of(app: Any) -> Endpoint:
    """The endpoint behind an app of `restate.app(...)`.

    Raises:
        NotARestateApp: `app` is something else.
    """
    for cell in getattr(app, "__closure__", None) or ():
        if isinstance(cell.cell_contents, Endpoint):
            return cell.cell_contents
    raise NotARestateApp(
        f"instrument() takes what restate.app(...) returned, not {type(app).__name__!r}. "
        "Instrument it before it is mounted in another application or wrapped by a middleware."
    )


def handlers_of(endpoint: Endpoint) -> Iterator[Handler[Any, Any]]:
    """Every handler of every service of the endpoint."""
    for service in endpoint.services.values():
        yield from service.handlers.values()
