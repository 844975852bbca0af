"""The dialog that shows, hides and orders the columns of the list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from playhead.columns import COLUMNS
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from playhead_tui.dialogs.dialog import Dialog

__all__ = ["ColumnChooser"]

HINT = "space show or hide, J and K move, r usual columns, enter apply"


class ColumnChooser(Dialog):
    """All columns: those that are shown, in order, then the others; returns the shown ones.

    The result is a text of names with commas between them; empty for the usual columns.
    """

    DEFAULT_CSS = """
    ColumnChooser OptionList { max-height: 16; }
    ColumnChooser #hint { margin-bottom: 1; color: $foreground 70%; }
    ColumnChooser #hint.wrong { color: $text-error; }
    ColumnChooser.-short > Vertical { padding: 0 1; }
    ColumnChooser.-short #hint { height: 1; margin-bottom: 0; }
    ColumnChooser.-short OptionList { max-height: 5; }
    ColumnChooser.-tiny #hint { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor(1)", "Down", show=False),
        Binding("k", "cursor(-1)", "Up", show=False),
        Binding("space", "change_shown", "Show or hide the column", show=False, priority=True),
        Binding("J,shift+down", "shift(1)", "Move the column right", show=False),
        Binding("K,shift+up", "shift(-1)", "Move the column left", show=False),
        Binding("r", "reset", "Usual columns", show=False),
    ]

    def __init__(self, shown: Sequence[str], usual: Sequence[str]) -> None:
        """Create the dialog.

        Args:
            shown: names of the columns that are shown, in order.
            usual: names of the columns unless others are chosen.
        """
        super().__init__("Columns")
        self.usual = tuple(usual)
        self.shown = list(shown)
        self.order = [*shown, *(name for name in COLUMNS if name not in shown)]

    def compose_content(self) -> ComposeResult:
        """Lay out the keys and the columns."""
        yield Static(HINT, id="hint", markup=False)
        yield OptionList(*map(self._option, self.order), markup=False)

    def on_mount(self) -> None:
        """Put the cursor on the first column."""
        self._options.highlighted = 0

    @property
    def _options(self) -> OptionList:
        return self.query_one(OptionList)

    @property
    def _place(self) -> int:
        return self._options.highlighted or 0

    def _option(self, name: str) -> Option:
        column = COLUMNS[name]
        mark, style = ("[x]", "$foreground") if name in self.shown else ("[ ]", "$foreground 70%")
        return Option(
            Content.assemble(
                (f"{mark} ", "$text-accent bold"),
                (name.ljust(11), style),
                (column.about, "$foreground 70%"),
            ),
            id=name,
        )

    def _show(self, place: int) -> None:
        options = self._options
        options.set_options(map(self._option, self.order))
        options.highlighted = place
        self._hint(HINT)

    def _hint(self, text: str, *, wrong: bool = False) -> None:
        hint = self.query_one("#hint", Static)
        hint.set_class(wrong, "wrong")
        hint.update(text)

    def action_cursor(self, step: int) -> None:
        """Move the cursor."""
        if step > 0:
            self._options.action_cursor_down()
        else:
            self._options.action_cursor_up()

    def action_change_shown(self) -> None:
        """Show or hide the column under the cursor."""
        name = self.order[self._place]
        if name in self.shown:
            self.shown.remove(name)
        else:
            self.shown.append(name)
        self.shown.sort(key=self.order.index)
        self._show(self._place)

    def action_shift(self, step: int) -> None:
        """Move the column under the cursor by one place."""
        place = self._place
        other = place + step
        if not 0 <= other < len(self.order):
            return
        self.order[place], self.order[other] = self.order[other], self.order[place]
        self.shown.sort(key=self.order.index)
        self._show(other)

    def action_reset(self) -> None:
        """Choose the usual columns."""
        self.shown = list(self.usual)
        self.order = [*self.usual, *(name for name in COLUMNS if name not in self.usual)]
        self._show(0)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Apply on Enter; without any column, show why not."""
        event.stop()
        if not self.shown:
            self._hint("Show at least one column: press space on it.", wrong=True)
            return
        usual = tuple(self.shown) == self.usual
        self.dismiss("" if usual else ",".join(self.shown))
