"""What Textual does not refuse in classes of screens and widgets, so that these tests do."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module

import playhead_tui
from textual.dom import DOMNode


def subclasses(of: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for one in of.__subclasses__():
        yield one
        yield from subclasses(one)


def own_classes() -> set[type[DOMNode]]:
    for module in pkgutil.walk_packages(playhead_tui.__path__, "playhead_tui."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    return {one for one in subclasses(DOMNode) if one.__module__.startswith("playhead_tui.")}


def assigned(of: type) -> set[str]:
    """Return the private attributes that the methods of a class assign."""
    return set(re.findall(r"self\.(_\w+)(?:: [^=\n]+)? = ", inspect.getsource(of)))


def test_no_attribute_hides_one_of_textual() -> None:
    """Textual takes a screen that sets `_running` to False for one that has ended."""
    hidden: set[tuple[str, str]] = set()
    for one in own_classes():
        of_textual = {name for base in one.__mro__ if base.__module__.startswith("textual")
                      for name in assigned(base)}  # fmt: skip
        hidden |= {(one.__name__, name) for name in assigned(one) & of_textual}
    assert hidden == {("PollingScreen", "_compositor")}  # which is its own on purpose


def test_every_screen_and_widget_has_what_its_bases_need() -> None:
    own = own_classes()
    abstract = {
        one.__name__: {
            name
            for name, value in inspect.getmembers_static(one)
            if getattr(value, "__isabstractmethod__", False)
        }
        for one in own
    }
    bases = {base.__name__ for one in own for base in one.__bases__}
    assert {name for name, missing in abstract.items() if missing} <= bases
    assert abstract["PollingScreen"] == {"deliver", "focus_rows", "read"}
