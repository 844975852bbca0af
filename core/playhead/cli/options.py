"""Options that several commands share to choose invocations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from playhead.saved_views import SavedView

__all__ = [
    "archived_option",
    "filter_option",
    "json_option",
    "parse_index",
    "service_option",
    "since_option",
    "view_option",
]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_index(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return the journal index that is written as `12` or `#12`."""
    if value is None:
        return None
    digits = value.removeprefix("#")
    if not (digits.isascii() and digits.isdigit()):
        raise click.BadParameter(f"{value!r} is not a journal index, such as 12 or '#12'.")
    return int(digits)


def parse_since(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Return the time of `--since`, given as ISO 8601 or as an age (`90s`, `15m`, `3d`)."""
    if value is None:
        return None
    try:
        if value[-1:] in _UNITS:
            return datetime.now(UTC) - timedelta(seconds=float(value[:-1]) * _UNITS[value[-1]])
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{value!r} is neither an age, such as 15m, nor an ISO 8601 time."
        ) from error


def service_option(command: _Command) -> _Command:
    """Add `--service NAME`."""
    return click.option("--service", metavar="NAME", help="Only invocations of this service.")(
        command
    )


def since_option(command: _Command) -> _Command:
    """Add `--since TIME`, parsed to a time in UTC."""
    return click.option(
        "--since",
        callback=parse_since,
        metavar="TIME",
        help="Only invocations since TIME: an age (90s, 15m, 2h, 3d) or an ISO 8601 time.",
    )(command)


def archived_option(command: _Command) -> _Command:
    """Add `--archived`."""
    return click.option(
        "--archived", is_flag=True, help="Also read the archive of the store, which takes longer."
    )(command)


def filter_option(command: _Command) -> _Command:
    """Add `--filter FILTER`, passed as `expression`."""
    return click.option(
        "--filter",
        "expression",
        metavar="FILTER",
        help="Only invocations that match, such as 'status:failed tokens>1000 -key:u1 \"rate "
        "limit\"'. See the page Filters of the documentation.",
    )(command)


def json_option(command: _Command) -> _Command:
    """Add `--json`, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")(command)


def parse_view(ctx: click.Context, param: click.Parameter, value: str | None) -> SavedView | None:
    """Return the view that the dashboard saved under a name."""
    if value is None:
        return None
    from playhead.kept_values import KeptValues
    from playhead.saved_views import SavedViews, kept_file

    kept = KeptValues(kept_file())
    views = SavedViews(kept).all()
    if value not in views:
        names = ", ".join(map(repr, views)) or "none; save one with V in the dashboard"
        problem = f" {kept.problem}" if kept.problem else ""
        raise click.BadParameter(f"{value!r} is not a saved view. Saved views: {names}.{problem}")
    return views[value]


def view_option(command: _Command) -> _Command:
    """Add `--view`: a view that was saved in the dashboard."""
    return click.option(
        "--view",
        metavar="NAME",
        callback=parse_view,
        help="Use the filter, order, groups and columns that the dashboard saved under this name.",
    )(command)
