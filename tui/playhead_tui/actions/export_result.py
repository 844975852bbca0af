"""Export of the result of a query into a file."""

from __future__ import annotations

from pathlib import Path

from playhead.formatting import whole
from playhead.reader.console import FORMATS

from playhead_tui.actions.save import path_of, path_problem
from playhead_tui.dialogs.dialog import Prompt
from playhead_tui.drawing.cells import clip
from playhead_tui.drawing.document import Line
from playhead_tui.interfaces import Dashboard
from playhead_tui.sources.kept_queries import Query

__all__ = ["export_result"]

ENDINGS = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"


async def export_result(dashboard: Dashboard, query: Query, shown: int | None) -> None:
    """Ask for a file until the rows of a query are in it, or the dialog is closed.

    Args:
        dashboard: shows the dialogs.
        query: the query, which runs again.
        shown: number of rows on screen; None if it was not run yet.
    """
    name, problem = _free_name(), ""
    while True:
        body = [
            Line(clip(query.sql, 200)),
            Line(f"The query runs again. The name ends in {ENDINGS}.", "dim"),
        ]
        prompt = Prompt(
            "Export the rows of this query as", body, value=name, error=problem, check=_problem
        )
        typed = await dashboard.push_screen_wait(prompt)
        if typed is None:
            return
        name, path = typed, path_of(typed)
        try:
            number = await dashboard.reader.console.export(query.engine, query.sql, path)
        except Exception as error:
            problem = f"Not exported: {clip(str(error) or type(error).__name__)}"
            continue
        rows = "1 row" if number == 1 else f"{whole(number)} rows"
        more = f"; {whole(shown)} on screen" if shown is not None and shown != number else ""
        dashboard.notify(f"Wrote {rows} to {path}{more}")
        return


def _problem(text: str) -> str | None:
    if not text.strip().lower().endswith(FORMATS):
        return f"End the name in {ENDINGS}."
    return path_problem(text)


def _free_name() -> str:
    """Return a name that no file of the current folder has."""
    names = ("result.csv", *(f"result-{number}.csv" for number in range(2, 100)))
    return next((name for name in names if not Path(name).exists()), "")
