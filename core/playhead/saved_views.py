"""Views of the list under a name: filter, order, grouping and columns; kept by the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from playhead.columns import known_columns
from playhead.kept_values import KeptValues
from playhead.model import GROUP_KEYS, GroupKey, SortKey
from playhead.text import clean

__all__ = ["MOST_VIEWS", "SavedView", "SavedViews", "kept_file"]

_NAME = "views"
MOST_VIEWS = 30
"""Maximum number of saved views."""
LONGEST_NAME = 60


def kept_file() -> Path:
    """Return the file in which the dashboard keeps values between runs."""
    import platformdirs

    return Path(platformdirs.user_state_dir("playhead")) / "dashboard.json"


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view of the list."""

    filter: str = ""
    """Conditions in the filter language."""
    sort: SortKey = "age"
    reverse: bool = False
    """Smallest (oldest) first; texts from Z to A."""
    group_by: GroupKey | None = None
    """Groups to show instead of the list."""
    columns: tuple[str, ...] = ()
    """Columns of the list; the usual ones if empty."""

    @property
    def summary(self) -> str:
        """What it shows, in one line."""
        sort = f"by {self.sort}{', reversed' if self.reverse else ''}"
        return (
            ", ".join(
                filter(
                    None,
                    (
                        self.filter,
                        "" if (self.sort, self.reverse) == ("age", False) else sort,
                        f"groups by {self.group_by}" if self.group_by else "",
                        f"{len(self.columns)} columns" if self.columns else "",
                    ),
                )
            )
            or "all invocations"
        )


class SavedViews:
    """The saved views by name, in the order in which they were saved."""

    def __init__(self, kept: KeptValues) -> None:
        """Use the values that are kept between runs."""
        self._kept = kept

    def all(self) -> dict[str, SavedView]:
        """Return all views; entries that cannot be read are left out."""
        found = self._kept.get(_NAME)
        if not isinstance(found, dict):
            return {}
        entries = cast("dict[Any, Any]", found)
        return {
            str(name): _view(cast("Mapping[Any, Any]", entry))
            for name, entry in entries.items()
            if isinstance(entry, dict)
        }

    def save(self, name: str, view: SavedView) -> None:
        """Save a view, in place of one with the same name."""
        self._write({**self.all(), name: view})

    def rename(self, name: str, new: str) -> None:
        """Rename a view; its place stays."""
        self._write({new if key == name else key: view for key, view in self.all().items()
                     if key == name or key != new})  # fmt: skip

    def delete(self, name: str) -> None:
        """Delete a view."""
        self._write({key: view for key, view in self.all().items() if key != name})

    def name_error(self, name: str) -> str | None:
        """Return what is wrong with the name of a new view, in one line."""
        if not name.strip():
            return "A view needs a name."
        if name != name.strip() or clean(name) != name or len(name) > LONGEST_NAME:
            return f"Use up to {LONGEST_NAME} visible characters, without spaces at the ends."
        if len(self.all()) >= MOST_VIEWS and name not in self.all():
            return f"{MOST_VIEWS} views are saved: delete one first."
        return None

    def _write(self, views: Mapping[str, SavedView]) -> None:
        self._kept.put(_NAME, {
            name: {
                "filter": view.filter, "sort": view.sort, "reverse": view.reverse,
                "group_by": view.group_by, "columns": list(view.columns),
            }
            for name, view in views.items()
        })  # fmt: skip


def _view(entry: Mapping[Any, Any]) -> SavedView:
    sort: SortKey = next((k for k in get_args(SortKey) if k == entry.get("sort")), "age")
    columns = entry.get("columns")
    names = cast("list[Any]", columns) if isinstance(columns, list) else []
    text = entry.get("filter")
    return SavedView(
        filter=text if isinstance(text, str) else "",
        sort=sort,
        reverse=entry.get("reverse") is True,
        group_by=next((k for k in GROUP_KEYS if k == entry.get("group_by")), None),
        columns=known_columns(",".join(name for name in names if isinstance(name, str))),
    )
