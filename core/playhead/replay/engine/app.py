"""The user's app, imported by `module:attribute`."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playhead.errors import AppError
from playhead.replay.engine.stack import UserCode

__all__ = ["App", "load_app"]


@dataclass(frozen=True)
class App:
    """A Restate app and whose code it is."""

    name: str
    """As it was given: `module:attribute`."""
    asgi: Any
    """What `restate.app(...)` returned, instrumented or not."""
    user: UserCode


def load_app(spec: str, folder: str | None = None) -> App:
    """Import an app.

    Args:
        spec: `package.module:attribute`, or `package.module:factory()`.
        folder: put first on the import path; the current one when not given.

    Raises:
        AppError: there is no such module or attribute, or importing it failed.
    """
    module_name, colon, attribute = spec.partition(":")
    if not (module_name and colon and attribute):
        raise AppError(f"{spec!r} is no app: write module:attribute, such as agent:app")
    folder = folder or str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # On Lambda the SDK hands out another kind of app.
    os.environ.pop("AWS_LAMBDA_FUNCTION_NAME", None)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            raise AppError(
                f"No module {module_name!r} in {folder} or among the installed"
            ) from error
        raise AppError(f"{module_name} cannot be imported: {error}") from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise AppError(
            f"{module_name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    is_factory = attribute.endswith("()")
    for part in attribute.removesuffix("()").split("."):
        if not hasattr(found, part):
            raise AppError(f"{module_name} has no attribute {attribute!r}")
        found = getattr(found, part)
    if is_factory:
        try:
            found = found()
        except Exception as error:
            raise AppError(f"{spec} raised {type(error).__name__}: {error}") from error
    if not callable(found):
        raise AppError(f"{spec} is a {type(found).__name__}, not an app: give restate.app(...)")
    try:
        inspect.signature(found).bind("scope", "receive", "send")
    except TypeError as error:
        raise AppError(
            f"{spec} is no ASGI app; when it is a function that makes one, write {spec}()"
        ) from error
    file = getattr(sys.modules[module_name.partition(".")[0]], "__file__", None)
    root = str(Path(file).resolve().parent) if file and "." in module_name else file
    return App(spec, found, UserCode(root))
