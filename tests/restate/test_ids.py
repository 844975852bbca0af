"""Invocation ids as bytes."""

from __future__ import annotations

import pytest
from playhead.restate.ids import decode_invocation_id


def test_an_id_decodes_to_the_bytes_that_the_server_sends():
    # From the StartMessage of a real server (1.7.12).
    ident = "inv_17fD8RA0GIro5rEXc3TWCff1SK84eaqssz"
    assert decode_invocation_id(ident).hex() == "c2a16629e44b78546bba298dc6dc70d20049f45ca566f1b2"


@pytest.mark.parametrize(
    "ident",
    ["", "inv_1", "inv_1" + "z" * 33, "inv_1" + "!" * 33, "dp_17fD8RA0GIro5rEXc3TWCff1SK84eaqssz"],
)
def test_other_text_is_not_an_invocation_id(ident: str):
    with pytest.raises(ValueError, match="is not an invocation id"):
        decode_invocation_id(ident)
