"""What a new invocation begins with when the server restarts one as new."""

from __future__ import annotations

from dataclasses import replace

from playhead.errors import RecordingError
from playhead.journal.commands import ResultKey, title_of
from playhead.journal.recording import Recording

__all__ = ["restarted"]


def restarted(recording: Recording, from_entry: int = 0) -> Recording:
    """The journal with which the server would start the new invocation.

    It keeps the entries up to `from_entry`, and what came later of their results. The new
    invocation has another id, and so other random numbers; here it is a neighbour's.

    Raises:
        RecordingError: a command that is to be kept has no result, which the server refuses.
    """
    journal = recording.journal()
    wanted: set[ResultKey] = set()
    for command in journal.commands:
        if command.index > from_entry:
            continue
        ids = [i for i in (command.completion_id, command.call_id_completion) if i is not None]
        missing = [i for i in ids if ("completion", i) not in journal.by_key]
        if missing:
            raise RecordingError(
                f"{title_of(command)} (entry {command.index}) has no result yet, and so "
                "Restate does not keep it: restart from an earlier entry"
            )
        wanted.update(("completion", i) for i in ids)
    later = {r.index for r in journal.results if r.key in wanted}
    kept = [e for e in recording.entries if e.index <= from_entry or e.index in later]
    entries = tuple(replace(entry, index=index) for index, entry in enumerate(kept))
    return replace(
        recording,
        invocation={**recording.invocation, "id": _neighbour(recording.id)},
        entries=entries,
        random_seed=None,
    )


def _neighbour(invocation_id: str) -> str:
    return invocation_id[:-1] + ("1" if invocation_id.endswith("0") else "0")
