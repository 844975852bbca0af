"""Generated texts: what is cleaned is clean, and each filter is parsed or refused with a place."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from generated import for_each, json_values, texts
from hypothesis import strategies as st
from playhead.errors import FilterError
from playhead.filters.completion import complete
from playhead.filters.fields import FIELDS
from playhead.filters.language import parse
from playhead.text import clean, clean_output, escape_json

PIECES = st.sampled_from(
    ["\x1b[2J", "\x1b]0;x\x07", "\x9b1m", "\x1bP", "\x1b", "\x9c", "\u202e", "\u2066", "\ufeff",
     "\x00", "\x7f", "\x85", "\r\n", "\n", "\t", "\u2028", "\ud800", "[red]", "é", "\U000e0041"]
)  # fmt: skip
HOSTILE = st.lists(PIECES | texts, max_size=8).map("".join)
FIELD = st.sampled_from([*FIELDS, "stauts", "X", ""])
VALUE = st.sampled_from(["failed", "1h", "1000", '"a b"', '"', "*", "-1", "a,b", ",", "2026-01-01"])
CONDITION = st.tuples(
    st.sampled_from(["", "-", "--"]),
    FIELD,
    st.sampled_from([":", "=", ">", ">=", ":<", "<=", "", "://"]),
    VALUE | texts,
).map("".join)
FILTER = st.lists(CONDITION | texts, max_size=5).map(" ".join)


def is_clean(text: str, kept: str = "") -> bool:
    # Cc: controls, Cs: surrogates; of Cf, those that change the direction or are invisible.
    return all(
        one in kept
        or (
            unicodedata.category(one) not in ("Cc", "Cs", "Zl", "Zp")
            and unicodedata.bidirectional(one)
            not in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        )
        for one in text
    )


def test_cleaned_text_is_clean_and_stays_the_same(record_property: Any) -> None:
    @for_each(record_property, text=HOSTILE)
    def check(text: str) -> None:
        assert is_clean(clean(text))
        assert is_clean(clean(text, lines=True), "\n\t")
        assert clean(clean(text)) == clean(text)
        assert is_clean(clean_output(clean(text)))


def test_output_keeps_nothing_but_colors(record_property: Any) -> None:
    @for_each(record_property, text=HOSTILE)
    def check(text: str) -> None:
        written = clean_output(text)
        plain = written.replace("\x1b[", "") if "\x1b[" in written else written
        assert "\x1b]" not in written
        assert "\x9b" not in written
        assert is_clean(plain, "\n\r\t")


def test_json_keeps_its_value_and_is_clean(record_property: Any) -> None:
    @for_each(record_property, value=json_values)
    def check(value: Any) -> None:
        document = json.dumps(value, ensure_ascii=False)
        escaped = escape_json(document)
        assert is_clean(escaped, "\n")
        # NaN is not equal to itself, so the texts are compared.
        assert json.dumps(json.loads(escaped)) == json.dumps(json.loads(document))


def test_filters_are_parsed_or_refused_with_a_place(record_property: Any) -> None:
    parsed = 0

    @for_each(record_property, text=FILTER)
    def check(text: str) -> None:
        nonlocal parsed
        try:
            found = parse(text)
        except FilterError as error:
            if not 0 <= error.position <= len(text):
                raise
        else:
            parsed += 1
            again = parse(str(found))
            assert [str(term) for term in again.terms] == [str(term) for term in found.terms]
        complete(text)

    assert parsed > 5
