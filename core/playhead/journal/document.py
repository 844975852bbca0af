"""What is wrong with a document that should be a recording, said precisely."""

from __future__ import annotations

import base64
import binascii
from typing import Any, cast

from playhead.errors import RecordingError, UnsupportedJournalError

__all__ = ["FORMAT", "check", "refuse_version"]

FORMAT = "playhead.journal/1"

_TYPES: dict[str, tuple[type, ...]] = {
    "invocation": (dict,),
    "journal_version": (int,),
    "entries": (list,),
    "state": (dict,),
    "events": (list,),
    "sdk_version": (str, type(None)),
    "server_version": (str, type(None)),
    "random_seed": (int, type(None)),
}
_INVOCATION = ("id", "target_service_name", "target_handler_name")
_WORDS = {dict: "object", list: "list", int: "number", str: "text", type(None): "null"}


def check(document: Any, source: str) -> None:
    """Pass when it has the form of a recording; its messages are not looked into.

    Raises:
        RecordingError: it is none; the text names the place.
        UnsupportedJournalError: its journal is of a version that cannot be replayed.
    """
    if not isinstance(document, dict):
        raise RecordingError(f"{source} is no recording: a JSON {_word(document)}, not an object")
    fields = cast("dict[str, Any]", document)
    found = fields.get("format")
    if not isinstance(found, str) or not found.startswith("playhead.journal/"):
        raise RecordingError(
            f'{source} is no recording: it lacks "format": "{FORMAT}". '
            "Make one with `playhead recording save ID FILE`."
        )
    if found != FORMAT:
        raise RecordingError(f"{source} has format {found!r}; this version reads {FORMAT!r}")
    for name, types in _TYPES.items():
        if name not in fields:
            raise RecordingError(f'{source}: "{name}" is missing')
        if not isinstance(fields[name], types) or isinstance(fields[name], bool):
            wanted = " or ".join(_WORDS[t] for t in types)
            raise RecordingError(f'{source}: "{name}" is a {_word(fields[name])}, not a {wanted}')
    for name in _INVOCATION:
        if not isinstance(fields["invocation"].get(name), str):
            raise RecordingError(f'{source}: "invocation" has no text "{name}"')
    refuse_version(fields["journal_version"], source)
    _check_state(fields["state"], source)
    _check_entries(fields["entries"], source)
    _check_steps(fields.get("steps", {}), source)


def refuse_version(version: int, source: str) -> None:
    """Raise UnsupportedJournalError for any journal version but 2."""
    if version == 1:
        raise UnsupportedJournalError(
            f"{source}: its journal has version 1, of service protocols up to 4, whose entries "
            "mix commands and results; today's SDKs cannot read it. "
            "Invocations on SDKs of 2025 and later write version 2."
        )
    if version != 2:
        raise UnsupportedJournalError(f"{source}: journal version {version} is not known here")


def _check_state(state: dict[str, Any], source: str) -> None:
    for key, value in state.items():
        if not _is_base64(value):
            raise RecordingError(f'{source}: "state"[{key!r}] is no base64')


def _check_entries(entries: list[Any], source: str) -> None:
    if not entries:
        raise RecordingError(
            f'{source}: "entries" is empty. The server drops a journal some time after the '
            "invocation ends; the recorder keeps it."
        )
    for position, entry in enumerate(entries):
        where = f"{source}: entry {position}"
        if not isinstance(entry, dict):
            raise RecordingError(f"{where} is a {_word(entry)}, not an object")
        fields = cast("dict[str, Any]", entry)
        for name in ("index", "type", "appended_at", "raw"):
            if name not in fields:
                raise RecordingError(f'{where}: "{name}" is missing')
        if fields["index"] != position:
            raise RecordingError(
                f"{where} has index {fields['index']!r}: entries must count from 0 without gaps"
            )
        if not isinstance(fields["type"], str):
            raise RecordingError(f'{where}: "type" is a {_word(fields["type"])}, not a text')
        if not _is_base64(fields["raw"]):
            raise RecordingError(f'{where} ({fields["type"]}): "raw" is no base64')


def _check_steps(steps: Any, source: str) -> None:
    if not isinstance(steps, dict):
        raise RecordingError(f'{source}: "steps" is a {_word(steps)}, not an object')
    for name, noted in cast("dict[str, Any]", steps).items():
        where = f'{source}: "steps"[{name!r}]'
        if not name.isdecimal():
            raise RecordingError(f"{where}: steps are named by the ordinal of their command")
        if not isinstance(noted, dict):
            raise RecordingError(f"{where} is a {_word(noted)}, not an object")
        messages: Any = cast("dict[str, Any]", noted).get("messages", [])
        if not isinstance(messages, list):
            raise RecordingError(f'{where}: "messages" is a {_word(messages)}, not a list')
        for position, message in enumerate(cast("list[Any]", messages)):
            fields = cast("dict[str, Any]", message) if isinstance(message, dict) else {}
            if not all(isinstance(fields.get(member), str) for member in ("role", "text")):
                raise RecordingError(f'{where}: message {position} has no texts "role" and "text"')


def _is_base64(value: Any) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return False
    return True


def _word(value: Any) -> str:
    return next((w for kind, w in _WORDS.items() if isinstance(value, kind)), "value")
