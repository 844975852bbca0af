"""Compare the names of attributes in the bridge with those in `playhead.conventions`."""

from __future__ import annotations

import ast
from pathlib import Path

import playhead_tracing
from playhead import conventions

OWN_PREFIXES = ("playhead.", "restate.invocation.", "restate.journal.", "gen_ai.")


def names_in(folder: Path) -> set[str]:
    """Return the attribute names in the string literals of the modules in a folder."""
    constants = (
        node.value
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in constants if text.startswith(OWN_PREFIXES) and " " not in text}


BRIDGE = names_in(Path(playhead_tracing.__file__).parent)
CONVENTIONS = {value for name in conventions.__all__ for value in [getattr(conventions, name)]
               if isinstance(value, str)}  # fmt: skip


def test_every_attribute_of_the_bridge_is_a_convention() -> None:
    assert {conventions.REPLAYED, conventions.INVOCATION_ID, conventions.COMPLETION_ID} <= BRIDGE
    assert BRIDGE <= CONVENTIONS


def test_the_bridge_sets_every_attribute_that_is_named_after_it() -> None:
    assert {name for name in CONVENTIONS if name.startswith("playhead.")} <= BRIDGE


def test_no_attribute_has_two_names() -> None:
    values = [getattr(conventions, name) for name in conventions.__all__]
    attributes = [v for v in values if isinstance(v, str) and v.startswith(OWN_PREFIXES)]
    assert len(attributes) == len(set(attributes))
