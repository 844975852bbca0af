"""Wire types, and messages compared with hand-encoded bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playhead.journal.recording import Recording
from playhead.restate import protocol
from playhead.restate.protocol import service_protocol_pb2 as messages

RECORDINGS = sorted(Path(__file__).parent.parent.glob("recordings/**/*.journal.json"))


def test_wire_types_are_those_of_the_protocol() -> None:
    assert protocol.ENTRY_TYPES["Command: Input"] == 0x400
    assert protocol.ENTRY_TYPES["Command: OneWayCall"] == 0x40E
    assert protocol.ENTRY_TYPES["Command: SendSignal"] == 0x410
    assert protocol.ENTRY_TYPES["Command: Run"] == 0x411
    assert protocol.ENTRY_TYPES["Command: CompleteAwakeable"] == 0x414
    assert protocol.ENTRY_TYPES["Notification: GetLazyState"] == 0x8002
    assert protocol.ENTRY_TYPES["Notification: Call"] == 0x800D
    assert protocol.ENTRY_TYPES["Notification: CallInvocationId"] == 0x800E
    assert protocol.ENTRY_TYPES["Notification: Run"] == 0x8011
    assert protocol.ENTRY_TYPES["Notification: GetInvocationOutput"] == 0x8013
    assert protocol.ENTRY_TYPES["Notification: Signal"] == 0xFBFF
    assert set(protocol.MESSAGE_NAMES) == {*range(8), *protocol.ENTRY_TYPES.values()}
    assert all(hasattr(messages, name) for name in protocol.MESSAGE_NAMES.values())
    assert protocol.entry_type(0x8011) == "Notification: Run"
    assert protocol.entry_type(0) is None


def test_a_message_has_the_bytes_of_its_field_numbers() -> None:
    # Encoded by hand: result_completion_id = 11 (varint 7), name = 12 ("ab").
    data = bytes([11 << 3 | 0, 7, 12 << 3 | 2, 2, *b"ab"])
    run = protocol.parse_entry("Command: Run", data)
    assert (run.result_completion_id, run.name) == (7, "ab")
    assert run.SerializeToString() == data


def test_a_oneof_names_the_result_that_is_present() -> None:
    # completion_id = 1 (varint 3), failure = 6 {code = 1 (varint 500, two bytes)}.
    data = bytes([1 << 3, 3, 6 << 3 | 2, 3, 1 << 3, 0xF4, 0x03])
    notification = protocol.parse(0x8011, data)
    assert notification.WhichOneof("result") == "failure"
    assert notification.failure.code == 500
    assert not notification.HasField("value")


@pytest.mark.parametrize("data", [b"\xff", b"\x5a\x10short", bytes([6 << 3 | 2, 200])])
def test_invalid_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(protocol.ProtocolError, match="RunCommandMessage"):
        protocol.parse_entry("Command: Run", data)


def test_unknown_types_are_refused() -> None:
    with pytest.raises(protocol.ProtocolError, match="0x7777"):
        protocol.parse(0x7777, b"")
    with pytest.raises(protocol.ProtocolError, match="Command: Dance"):
        protocol.parse_entry("Command: Dance", b"")


def test_a_field_with_its_default_value_is_present() -> None:
    absent, present = protocol.parse(0x411, b""), protocol.parse(0x411, bytes([12 << 3 | 2, 0]))
    assert (absent.name, present.name) == ("", "")
    assert not absent.HasField("name")
    assert present.HasField("name")


def test_text_that_is_not_utf_8_leaves_the_message_readable() -> None:
    data = bytes([11 << 3, 7, 12 << 3 | 2, 1, 0xFF])
    run = protocol.parse_entry("Command: Run", data)
    assert (run.result_completion_id, run.name) == (7, b"\xff")
    assert run.SerializeToString() == data


def test_fields_of_later_versions_are_kept() -> None:
    data = bytes([11 << 3, 7, 15 << 3 | 2, 2, *b"ab"])
    run = protocol.parse_entry("Command: Run", data)
    assert run.result_completion_id == 7
    assert run.SerializeToString() == data


def test_every_recorded_entry_is_written_as_it_was_read() -> None:
    entries = [entry for path in RECORDINGS for entry in Recording.load(path).entries]
    assert len({entry.type for entry in entries}) >= 30
    for entry in entries:
        assert protocol.parse_entry(entry.type, entry.raw).SerializeToString() == entry.raw
