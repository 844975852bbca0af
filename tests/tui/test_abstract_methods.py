"""Textual's metaclass does not refuse classes with abstract methods, so that this test does."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import playhead_tui
from textual.dom import DOMNode


def subclasses(of: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for one in of.__subclasses__():
        yield one
        yield from subclasses(one)


def test_every_screen_and_widget_has_what_its_bases_need() -> None:
    for module in pkgutil.walk_packages(playhead_tui.__path__, "playhead_tui."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    own = {one for one in subclasses(DOMNode) if one.__module__.startswith("playhead_tui.")}
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
