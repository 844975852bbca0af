"""Generated input: any JSON, and real documents and bytes that are changed in some places."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

__all__ = ["changed_bytes", "changed_document", "for_each", "json_values", "texts"]

EXAMPLES = int(os.environ.get("GENERATED_EXAMPLES", "60"))
"""Cases for each property; `make attacks` tries more, and other ones each time."""

texts = st.text(st.characters(codec=None), max_size=40)  # also lone surrogates
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | texts
    | st.sampled_from(["", "\x1b[2J", "[red]", "\u202e", "9" * 400, "AA==", "-0", "NaN"])
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def for_each(record_property: Callable[[str, object], None], **strategies: Any) -> Any:
    """Run a function once for each generated case, and report the number of cases."""

    def run(check: Callable[..., object]) -> None:
        count = 0

        @settings(
            max_examples=EXAMPLES,
            deadline=None,  # a busy machine is not a defect
            database=None,
            derandomize="GENERATED_EXAMPLES" not in os.environ,
            suppress_health_check=[
                HealthCheck.too_slow,
                HealthCheck.data_too_large,
                HealthCheck.large_base_example,
            ],
        )
        @given(**strategies)
        def one(**case: Any) -> None:
            nonlocal count
            count += 1
            check(**case)

        one()
        record_property("cases", count)

    return run


@st.composite
def changed_document(draw: st.DrawFn, document: Any) -> Any:
    """Draw a JSON document in which one to three values are replaced, removed or repeated."""
    copy = _copy(document)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(copy))
        if not places:
            break
        parent, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "remove", "repeat", "wrap"])):
            case "remove":
                del parent[key]
            case "repeat" if isinstance(parent, list):
                parent.insert(key, _copy(parent[key]))
            case "wrap":
                parent[key] = [parent[key]]
            case _:
                parent[key] = draw(json_values)
    return copy


@st.composite
def changed_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw bytes in which one to six places are changed, cut out or filled with others."""
    copy = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(copy)))
        length = draw(st.integers(0, 12))
        copy[at : at + length] = draw(st.binary(max_size=12))
    return bytes(copy)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _places(value: Any) -> Any:
    items = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    for key, inner in items:
        yield value, key
        yield from _places(inner)
