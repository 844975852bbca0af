"""The Python API of Playhead, the debugger for durable AI agents.

The public API consists of `__all__` and of these modules:

- `playhead.model`: the types that a client returns;
- `playhead.errors`: all exceptions;
- `playhead.replay`: the package with `replay`, `what_if`, and the types that they return.

Example:
    ```python
    import playhead
    from playhead.replay import replay

    with playhead.Client() as client:
        failed = client.invocations(status="failed", limit=1).rows[0]
        recording = client.recording(failed.id)
    report = replay("agent:app", recording)
    print(report.verdict)
    ```

Everything is imported on first use: `import playhead` alone loads no dependency.
"""

from __future__ import annotations

# Type checkers treat this as true. Importing it from `typing` would double the time to import.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from playhead import replay as replay
    from playhead.async_client import AsyncClient
    from playhead.client import Client
    from playhead.errors import PlayheadError
    from playhead.journal.recording import Recording
    from playhead.replay import what_if

    __version__: str

__all__ = [
    "AsyncClient",
    "Client",
    "PlayheadError",
    "Recording",
    "__version__",
    "replay",
    "what_if",
]

_MODULES = {
    "AsyncClient": "playhead.async_client",
    "Client": "playhead.client",
    "PlayheadError": "playhead.errors",
    "Recording": "playhead.journal.recording",
    "what_if": "playhead.replay",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        value: object = version("playhead")
    elif name == "replay":
        value = import_module("playhead.replay")
    elif name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
