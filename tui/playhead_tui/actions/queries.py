"""Saved and earlier queries of the SQL console: open, save, rename and delete them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from playhead_tui.actions.views import FIRST_KEYS, MORE_KEYS
from playhead_tui.dialogs.dialog import Choice, Menu, Prompt
from playhead_tui.drawing.cells import clip
from playhead_tui.interfaces import Dashboard
from playhead_tui.sources.kept_queries import KeptQueries, Query

__all__ = ["QueryMenu", "choose_query", "save_query"]

KEYS = FIRST_KEYS + MORE_KEYS
SAVE, RENAME, DELETE = "s", "n", "d"
NAME_WIDTH = 24
SQL_WIDTH = 100


class QueryMenu(Menu):
    """A menu as wide as the terminal, with one line for each query."""

    DEFAULT_CSS = """
    QueryMenu > Vertical { width: 120; }
    QueryMenu OptionList { max-height: 20; text-wrap: nowrap; text-overflow: ellipsis; }
    .ascii QueryMenu OptionList { text-wrap: wrap; }
    """


async def choose_query(
    dashboard: Dashboard, queries: KeptQueries, present: Query, show: Callable[[Query], None]
) -> None:
    """Ask which query to open, or to save, rename or delete one.

    Args:
        dashboard: shows the dialogs.
        queries: the saved and earlier queries.
        present: the query in the editor.
        show: opens a query.
    """
    saved = list(queries.saved.values())
    earlier = [query for query in queries.earlier if query not in saved]
    found = [*queries.saved.items(), *(("", query) for query in earlier)][: len(KEYS)]
    choices = [_choice(key, name, query) for key, (name, query) in zip(KEYS, found, strict=False)]
    if present.sql:
        choices.append(Choice(SAVE, "Save", f"This query: {clip(present.sql, SQL_WIDTH)}"))
    if saved:
        choices += [
            Choice(RENAME, "Rename", "Give a saved query another name"),
            Choice(DELETE, "Delete", "Delete a saved query"),
        ]
    if not choices:
        dashboard.notify("No query was run or saved yet.")
        return
    key = await dashboard.push_screen_wait(QueryMenu("Saved and earlier queries", choices))
    if key == SAVE:
        await save_query(dashboard, queries, present)
    elif key == RENAME:
        await _rename(dashboard, queries)
    elif key == DELETE:
        name = await _which(dashboard, "Delete which query?", queries.saved)
        if name is not None:
            queries.delete(name)
            dashboard.notify(f"Deleted the query {clip(name)}")
    elif key is not None:
        show(found[KEYS.index(key)][1])


async def save_query(dashboard: Dashboard, queries: KeptQueries, present: Query) -> None:
    """Ask for a name, and save the query under it."""
    name = await dashboard.push_screen_wait(
        Prompt("Save this query as", placeholder="Name", check=queries.name_problem)
    )
    if name is None:
        return
    if name in queries.saved and queries.saved[name] != present:
        choices = [Choice("y", "Yes, replace it"), Choice("n", "No")]
        menu = Menu(f"Replace the query {clip(name, 40)}?", choices)
        if await dashboard.push_screen_wait(menu) != "y":
            return
    queries.save(name, present)
    dashboard.notify(f"Saved the query {clip(name)}")


async def _rename(dashboard: Dashboard, queries: KeptQueries) -> None:
    name = await _which(dashboard, "Rename which query?", queries.saved)
    if name is None:
        return

    def check(new: str) -> str | None:
        taken = f"There is a query {new}." if new != name and new in queries.saved else None
        return taken or queries.name_problem(new)

    new = await dashboard.push_screen_wait(
        Prompt(f"Rename {clip(name, 40)} to", value=name, check=check)
    )
    if new is not None:
        queries.rename(name, new)


async def _which(dashboard: Dashboard, title: str, saved: Mapping[str, Query]) -> str | None:
    names = list(saved)
    choices = [_choice(key, name, saved[name]) for key, name in zip(KEYS, names, strict=False)]
    key = await dashboard.push_screen_wait(QueryMenu(title, choices))
    return None if key is None else names[KEYS.index(key)]


def _choice(key: str, name: str, query: Query) -> Choice:
    """Return the choice of a query; one without a name was run earlier."""
    where = "" if query.engine == "store" else "server: "
    return Choice(key, clip(name, NAME_WIDTH), f"{where}{clip(query.sql, SQL_WIDTH)}")
