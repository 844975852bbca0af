"""Values of the form that a handler's JSON schema describes."""

from __future__ import annotations

from typing import Any

import pytest
from playhead.restate.handlers import example_of, handlers_of, mismatch

CLAIM = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer"},
        "text": {"type": "string", "default": "roof"},
        "kind": {"enum": ["car", "house"]},
        "parts": {"type": "array", "items": {"type": "string"}},
        "by": {"$ref": "#/$defs/Person"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["amount", "by"],
    "$defs": {
        "Person": {"type": "object", "properties": {"boss": {"$ref": "#/$defs/Person"}}},
    },
}


def test_an_example_has_every_member_and_ends_in_cycles() -> None:
    example = example_of(CLAIM)
    person = example.pop("by")
    assert example == {"amount": 0, "text": "roof", "kind": "car", "parts": [], "note": ""}
    while person is not None:
        assert list(person) == ["boss"]
        person = person["boss"]


@pytest.mark.parametrize("schema", [None, True, {}, {"type": ["string", "null"]}, {"$ref": 7}, []])
def test_odd_schemas_name_no_value_and_refuse_none(schema: Any) -> None:
    assert example_of(schema) is None
    assert mismatch(schema, {"any": 1}) is None


@pytest.mark.parametrize(
    ("schema", "value", "wrong"),
    [
        ({"type": "boolean"}, "yes", "Not a value of type boolean."),
        ({"type": "boolean"}, True, None),
        ({"type": "integer"}, True, "Not a value of type integer."),
        ({"type": "number"}, 1, None),
        (CLAIM, {"amount": 1}, "Without by."),
        (CLAIM, {"amount": 1, "by": {}}, None),
        (CLAIM, [], "Not a value of type object."),
    ],
)
def test_types_and_required_members(schema: Any, value: Any, wrong: str | None) -> None:
    assert mismatch(schema, value) == wrong


def test_handlers_are_in_the_order_of_their_names() -> None:
    names = ["run", "decide", "comment"]
    for order in (names, names[::-1]):
        found = handlers_of({"handlers": [{"name": name} for name in order]})
        assert [one.name for one in found] == ["comment", "decide", "run"]
