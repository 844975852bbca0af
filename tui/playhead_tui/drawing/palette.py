"""Colors: a dark and a light theme, and the styles that the line widgets draw with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from playhead.model import Status, StepKind
from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from playhead_tui.drawing.document import StyleName

if TYPE_CHECKING:
    from textual.app import App
    from textual.widget import Widget

__all__ = ["DARK", "KIND_STYLES", "LIGHT", "STATUS_STYLES", "Palette", "palette_of"]

DARK = Theme(
    name="playhead-dark",
    primary="#82aaff",
    secondary="#6fb3c0",
    accent="#c3a6ff",
    foreground="#d5d9e2",
    background="#101218",
    surface="#161922",
    panel="#1e222d",
    success="#84c98b",
    warning="#e2b05f",
    error="#f2777a",
    dark=True,
)
LIGHT = Theme(
    name="playhead-light",
    primary="#1f5fbf",
    secondary="#0f6b78",
    accent="#7437bd",
    foreground="#23272e",
    background="#fbfbf9",
    surface="#f3f3f0",
    panel="#e7e7e2",
    success="#23733a",
    warning="#8a5a00",
    error="#bb2a2a",
    dark=False,
)


STATUS_STYLES: Mapping[Status, StyleName] = {
    "running": "accent", "backing-off": "warn", "suspended": "wait", "paused": "warn",
    "succeeded": "good", "failed": "bad", "killed": "bad", "cancelled": "warn",
}  # fmt: skip
"""Styles of statuses; the others are dim."""
KIND_STYLES: Mapping[StepKind, StyleName] = {
    "llm": "llm", "tool": "tool", "run": "accent", "call": "wait", "send": "wait", "attach": "wait",
    "awakeable": "warn", "promise": "warn", "cancel": "bad",
}  # fmt: skip
"""Styles of steps' marks and bars; the others are dim."""


@dataclass(frozen=True)
class Palette:
    """Styles by meaning. Only `cursor`, `weak_cursor` and `band` set a background."""

    text: Style
    strong: Style
    dim: Style
    faint: Style
    accent: Style
    good: Style
    bad: Style
    warn: Style
    wait: Style
    llm: Style
    tool: Style
    cursor: Style
    weak_cursor: Style
    """Cursor of a pane without the focus."""
    band: Style
    """Background of every other attempt."""
    match: Style

    def status(self, status: Status) -> Style:
        """Return the style of a status."""
        return getattr(self, STATUS_STYLES.get(status, "dim"))

    def kind(self, kind: StepKind) -> Style:
        """Return the style of a step's mark and bar."""
        return getattr(self, KIND_STYLES.get(kind, "dim"))


def palette_of(widget: Widget) -> Palette:
    """Return the palette of the widget's current theme."""
    theme = cast("App[Any]", widget.app).current_theme  # pyright: ignore[reportUnknownMemberType]
    if theme.name not in _made:
        _made[theme.name] = _make(theme)
    return _made[theme.name]


_made: dict[str, Palette] = {}


def _make(theme: Theme) -> Palette:
    colors = theme.to_color_system().generate()

    def color(name: str) -> Color:
        found = Color.parse(colors[name])
        return found if found.ansi is None else Color.parse("#808080")

    back, front = color("background"), color("foreground")

    def ink(shade: Color, *, bold: bool = False) -> Style:
        return Style(color=shade.rich_color, bold=bold or None)

    def paper(shade: Color, *, bold: bool = False) -> Style:
        return Style(bgcolor=shade.rich_color, bold=bold or None)

    primary = color("primary")
    # A light background leaves less contrast to the colors of texts, also below the cursor.
    dim, cursor = (0.7, 0.2) if theme.dark else (0.74, 0.14)
    return Palette(
        text=ink(front),
        strong=ink(front, bold=True),
        dim=ink(back.blend(front, dim)),
        faint=ink(back.blend(front, 0.34)),
        accent=ink(primary),
        good=ink(color("success")),
        bad=ink(color("error")),
        warn=ink(color("warning")),
        wait=ink(color("secondary")),
        llm=ink(color("accent")),
        tool=ink(primary),
        cursor=paper(back.blend(primary, cursor)),
        weak_cursor=paper(back.blend(front, 0.10)),
        band=paper(back.blend(front, 0.055)),
        match=Style(underline=True),
    )
