"""The user's app, imported by `module:attribute`."""

from __future__ import annotations

import difflib
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
    """A Restate app, and the files of its code."""

    name: str
    """`module:attribute`, as given by the user."""
    asgi: Any
    """Return value of `restate.app(...)`, instrumented or not."""
    user: UserCode


def load_app(spec: str, app_dir: str | None = None) -> App:
    """Import an app.

    Args:
        spec: `package.module:attribute`, or `package.module:factory()`.
        app_dir: First folder of the import path; by default, the current directory.

    Raises:
        AppError: The module or attribute does not exist, or importing it failed.
    """
    module_name, colon, attribute = spec.partition(":")
    if not (module_name and colon and attribute):
        raise AppError(f"{spec!r} is not an app", "Write module:attribute, such as agent:app.")
    app_dir = app_dir or str(Path.cwd())
    if app_dir not in sys.path:
        sys.path.insert(0, app_dir)
    # On Lambda the SDK returns another kind of app.
    os.environ.pop("AWS_LAMBDA_FUNCTION_NAME", None)
    found = _imported(module_name, app_dir)
    is_factory = attribute.endswith("()")
    for part in attribute.removesuffix("()").split("."):
        if not hasattr(found, part):
            close = difflib.get_close_matches(part, dir(found), 1)
            meant = f"Did you mean {module_name}:{close[0]}? " if close else ""
            raise AppError(
                f"{module_name} has no attribute {attribute!r}",
                f"{meant}Name the variable that holds the result of restate.app(...).",
            )
        found = getattr(found, part)
    if is_factory:
        try:
            found = found()
        except Exception as error:
            raise AppError(f"{spec} raised {type(error).__name__}: {error}") from error
    if not callable(found):
        raise AppError(f"{spec} is a {type(found).__name__}, not an app", "Give restate.app(...).")
    try:
        inspect.signature(found).bind("scope", "receive", "send")
    except TypeError as error:
        hint = f"If it is a function that returns one, write {spec}()."
        raise AppError(f"{spec} is not an ASGI app", hint) from error
    file = getattr(sys.modules[module_name.partition(".")[0]], "__file__", None)
    root = str(Path(file).resolve().parent) if file and "." in module_name else file
    return App(spec, found, UserCode(root))


def _imported(module_name: str, app_dir: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            raise AppError(
                f"No module {module_name!r} in {app_dir} or among the installed packages",
                "Set the directory to import it from with --app-dir.",
            ) from error
        raise AppError(f"{module_name} cannot be imported: {error}") from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        reason = f"{type(error).__name__}: {error}"
        raise AppError(f"{module_name} cannot be imported: {reason}") from error
