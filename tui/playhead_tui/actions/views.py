"""Saved views of the list: save the present one, open, rename and delete them."""

from __future__ import annotations

from collections.abc import Callable

from playhead.saved_views import SavedView, SavedViews

from playhead_tui.dialogs.dialog import Choice, Menu, Prompt
from playhead_tui.drawing.cells import clip
from playhead_tui.interfaces import Dashboard

__all__ = ["FIRST_KEYS", "MORE_KEYS", "choose_view", "save_view"]

FIRST_KEYS = "123456789"
"""Keys of the first views in the menu."""
MORE_KEYS = "abcefghilmopqrtuvwxyz"
"""Keys of further views: the letters that have no other use in the menu, and are not j and k."""
SAVE, RENAME, DELETE = "s", "n", "d"


async def choose_view(
    dashboard: Dashboard, present: SavedView, show: Callable[[SavedView], None]
) -> None:
    """Ask which view to open, or to save, rename or delete one.

    Args:
        dashboard: shows the dialogs and keeps the views.
        present: the view on screen.
        show: opens a view.
    """
    views = SavedViews(dashboard.kept)
    found = views.all()
    choices = [*_choices(found), Choice(SAVE, "Save", f"This view: {clip(present.summary, 40)}")]
    if found:
        choices += [
            Choice(RENAME, "Rename", "Give a view another name"),
            Choice(DELETE, "Delete", "Delete a view"),
        ]
    key = await dashboard.push_screen_wait(Menu("Saved views", choices))
    if key == SAVE:
        await save_view(dashboard, present)
    elif key == RENAME:
        await _rename(dashboard, views)
    elif key == DELETE:
        name = await _which(dashboard, "Delete which view?", views)
        if name is not None:
            views.delete(name)
            _announce(dashboard, f"Deleted the view {clip(name)}")
    elif (name := _named(found, key)) is not None:
        show(found[name])


async def save_view(dashboard: Dashboard, present: SavedView) -> None:
    """Ask for a name, and save the view under it."""
    views = SavedViews(dashboard.kept)
    name = await dashboard.push_screen_wait(
        Prompt("Save this view as", placeholder="Name", check=views.name_error)
    )
    if name is None:
        return
    if name in views.all():
        choices = [Choice("y", "Yes, replace it"), Choice("n", "No")]
        menu = Menu(f"Replace the view {clip(name, 40)}?", choices)
        if await dashboard.push_screen_wait(menu) != "y":
            return
    views.save(name, present)
    _announce(dashboard, f"Saved the view {clip(name)}")


async def _rename(dashboard: Dashboard, views: SavedViews) -> None:
    name = await _which(dashboard, "Rename which view?", views)
    if name is None:
        return

    def check(new: str) -> str | None:
        taken = f"A view named {new} exists." if new != name and new in views.all() else None
        return views.name_error(new) or taken

    new = await dashboard.push_screen_wait(
        Prompt(f"Rename {clip(name, 40)} to", value=name, check=check)
    )
    if new is not None:
        views.rename(name, new)
        _announce(dashboard, f"Renamed the view {clip(name, 40)}")


def _announce(dashboard: Dashboard, change: str) -> None:
    if reason := dashboard.kept.unwritten:
        dashboard.notify(f"{change} for this run only. {clip(reason)}", severity="warning")
    else:
        dashboard.notify(change)


async def _which(dashboard: Dashboard, title: str, views: SavedViews) -> str | None:
    found = views.all()
    key = await dashboard.push_screen_wait(Menu(title, _choices(found)))
    return _named(found, key)


def _choices(found: dict[str, SavedView]) -> list[Choice]:
    keys = [*FIRST_KEYS, *MORE_KEYS]
    return [
        Choice(key, clip(name, 24), clip(view.summary, 40))
        for key, (name, view) in zip(keys, found.items(), strict=False)
    ]


def _named(found: dict[str, SavedView], key: str | None) -> str | None:
    """Return the name of the view with a key of the menu."""
    keys = FIRST_KEYS + MORE_KEYS
    place = keys.find(key) if key else -1
    return list(found)[place] if 0 <= place < len(found) else None
