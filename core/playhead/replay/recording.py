"""A recording: one invocation's journal as a file, whole and byte for byte."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playhead.replay.errors import RecordingError

if TYPE_CHECKING:
    from playhead.replay.commands import Journal

__all__ = ["FORMAT", "SUFFIX", "Entry", "Recording"]

FORMAT = "playhead.journal/1"
SUFFIX = ".journal.json"

_SAFE_HEADERS = frozenset({"accept", "accept-encoding", "content-length", "content-type"})
_REDACTED = "[redacted]"


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry."""

    index: int
    type: str
    """The server's entry type, such as `Command: Run`."""
    name: str
    raw: bytes
    """The message of the service protocol, as it went over the wire."""
    appended_at: str | None = None
    """When the server stored it, ISO 8601 in UTC."""


@dataclass(frozen=True)
class Recording:
    """A journal, and what is needed to run code against it."""

    invocation: Mapping[str, Any]
    """The row of sys_invocation."""
    entries: tuple[Entry, ...]
    journal_version: int = 2
    state: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """State of the virtual object or workflow when the recording was made."""
    events: tuple[Mapping[str, Any], ...] = ()
    """Rows of sys_journal_events: failed attempts, pauses."""
    sdk_version: str | None = None
    server_version: str | None = None
    random_seed: int | None = None
    """The seed of the SDK's random numbers; None: the one derived from the id."""
    steps: Mapping[int, Mapping[str, Any]] = field(default_factory=dict[int, Mapping[str, Any]])
    """What is known of steps that no journal holds, by command index (optional).

    `arguments` and `millis`, as the code of that day passed them (see `annotate`), or
    `messages`, the prompt of a step that asked a model, each `{"role", "text"}`, as its span
    told it.
    """

    @property
    def id(self) -> str:
        """The invocation id."""
        return str(self.invocation["id"])

    @property
    def target(self) -> str:
        """Service, key and handler, as the server writes them."""
        return str(self.invocation.get("target", ""))

    @property
    def service(self) -> str:
        """Name of the service."""
        return str(self.invocation["target_service_name"])

    @property
    def handler(self) -> str:
        """Name of the handler."""
        return str(self.invocation["target_handler_name"])

    @property
    def key(self) -> str | None:
        """Key of the virtual object or workflow; None for a service."""
        key = self.invocation.get("target_service_key")
        return None if key is None else str(key)

    def journal(self) -> Journal:
        """The entries as commands with their results.

        Raises:
            RecordingError: an entry's bytes are not what its type says.
        """
        return self._journal

    @cached_property
    def _journal(self) -> Journal:
        from playhead.replay.commands import Journal

        return Journal.of(self)

    def prefix(self, length: int) -> Recording:
        """The same recording with its first `length` entries only."""
        return replace(self, entries=self.entries[:length])

    def redacted(self) -> Recording:
        """A copy whose Input headers keep their names but not their values."""
        from playhead.restate.protocol import parse_entry

        entries = list(self.entries)
        for position, entry in enumerate(entries):
            if entry.type != "Command: Input":
                continue
            message = parse_entry(entry.type, entry.raw)
            for header in message.headers:
                if header.key.lower() not in _SAFE_HEADERS:
                    header.value = _REDACTED
            entries[position] = replace(entry, raw=message.SerializeToString())
        return replace(self, entries=tuple(entries))

    # --- files

    def save(self, path: Path | str, *, keep_headers: bool = False) -> Path:
        """Write it to a file; Input header values are left out unless `keep_headers`.

        Raises:
            RecordingError: the file cannot be written.
        """
        path = Path(path)
        document = (self if keep_headers else self.redacted()).to_json()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + ".part")
            part.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
            part.replace(path)
        except OSError as error:
            raise RecordingError(f"{path} cannot be written: {error.strerror}") from error
        return path

    @classmethod
    def load(cls, path: Path | str) -> Recording:
        """Read a file.

        Raises:
            RecordingError: it cannot be read or is no recording; the text says what is wrong.
            UnsupportedJournal: its journal is of a kind that cannot be replayed.
        """
        path = Path(path)
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            raise RecordingError(f"{path}: no such file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise RecordingError(f"{path} cannot be read: {error}") from error
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            cut = " (the file seems to be cut off)" if error.pos >= len(text.rstrip()) - 1 else ""
            raise RecordingError(
                f"{path} is no JSON{cut}: line {error.lineno}, column {error.colno}: {error.msg}"
            ) from error
        return cls.from_json(document, source=str(path))

    def to_json(self) -> dict[str, Any]:
        """The document that is written to files."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "invocation": dict(self.invocation),
            "journal_version": self.journal_version,
            "entries": [
                {
                    "index": e.index,
                    "type": e.type,
                    "name": e.name,
                    "appended_at": e.appended_at,
                    "raw": base64.b64encode(e.raw).decode(),
                }
                for e in self.entries
            ],
            "state": {k: base64.b64encode(v).decode() for k, v in self.state.items()},
            "events": [dict(event) for event in self.events],
            "sdk_version": self.sdk_version,
            "server_version": self.server_version,
            "random_seed": self.random_seed,
        }
        if self.steps:
            document["steps"] = {str(index): dict(step) for index, step in self.steps.items()}
        return document

    @classmethod
    def from_json(cls, document: Any, *, source: str = "the recording") -> Recording:
        """The recording that a document holds.

        Args:
            document: what `to_json` returned, or was parsed from a file.
            source: named in errors.

        Raises:
            RecordingError: it is no recording; the text says what is wrong.
            UnsupportedJournal: its journal is of a kind that cannot be replayed.
        """
        from playhead.replay.validate import check

        check(document, source)
        recording = cls(
            invocation=document["invocation"],
            journal_version=document["journal_version"],
            entries=tuple(
                Entry(
                    e["index"], e["type"], e.get("name") or "", _bytes(e["raw"]), e["appended_at"]
                )
                for e in document["entries"]
            ),
            state={k: _bytes(v) for k, v in document["state"].items()},
            events=tuple(document["events"]),
            sdk_version=document["sdk_version"],
            server_version=document["server_version"],
            random_seed=document["random_seed"],
            steps={int(k): v for k, v in document.get("steps", {}).items()},
        )
        try:
            recording.journal()
        except RecordingError as error:
            raise RecordingError(f"{source}: {error}") from error
        return recording

    @classmethod
    async def fetch(
        cls, admin_url: str, invocation_id: str, *, token: str | None = None
    ) -> Recording:
        """Read it from a live server through its admin API.

        Prompts are not in it: those come from a recorder, which `playhead recording save` asks.

        Raises:
            RecordingError: the server cannot be reached, or does not have the invocation.
            UnsupportedJournal: its journal is of a kind that cannot be replayed.
        """
        from playhead.replay.fetch import from_server

        return await from_server(admin_url, invocation_id, token=token)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise RecordingError(f"{text[:40]!r} is no base64: {error}") from error
