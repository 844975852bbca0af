"""The result of a replay, as plain data that processes can exchange."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from playhead.replay.divergence import Divergence
from playhead.replay.groups import groups_of
from playhead.replay.isolation import Isolation

__all__ = ["NotCompared", "Report", "Verdict"]

Verdict = Literal["same", "diverged", "blocked", "incomplete", "refused", "invalid"]
"""Whether today's code accepts the journal.

`same`: it does, and ends the same way. `diverged`: the SDK refuses the journal (error 570), or the
handler raises an exception that it did not raise before, or waits before the end of the journal.
`blocked`: code outside a step tried a side effect, which the replay blocked, so the run from there
on can differ from a real one. `incomplete`: the code accepts all of the journal, which ends before
the handler does. `refused`: the journal cannot be replayed; `Report.reason` has the reason.
`invalid`: the code interfered with the replay's answer, so nothing is known.
"""


@dataclass(frozen=True, slots=True)
class NotCompared:
    """A part of some commands that was not compared."""

    what: str
    """`prompt`, `tools`, `settings`, `output schema`, `model`, `arguments`, or `duration`."""
    places: tuple[str, ...]
    """The commands, as journal indexes: `#12`."""
    reason: str = "not in the recording"


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a replay."""

    verdict: Verdict
    invocation_id: str = ""
    target: str = ""
    """Service, key and handler, as the server writes them."""
    divergences: tuple[Divergence, ...] = ()
    """In the order of the journal."""
    output: Any = None
    """Return value of the handler: decoded JSON, else text; None if it failed or did not end."""
    failure: str | None = None
    """Terminal error that the handler ended with: `code: message`."""
    sdk_message: str | None = None
    """The SDK's message, if it refused the journal."""
    reason: str | None = None
    """Reason why the replay was refused, or why the handler is waiting."""
    hint: str = ""
    """What to do about a replay that was refused; may be empty."""
    waiting_at: str | None = None
    """`file:line` where an incomplete handler waits."""
    commands: int = 0
    """Number of commands in the journal, without Input."""
    replayed: int = 0
    """Number of them that the code wrote again."""
    blocked: tuple[str, ...] = ()
    """Side effects that the code attempted and the replay blocked, each with its place in the
    user's code if known."""
    notes: tuple[str, ...] = field(default=())
    """Remarks on the divergences."""
    not_compared: tuple[NotCompared, ...] = ()
    """What the replay did not compare, and why."""
    isolation: Isolation | None = None
    """How the process that ran the code was isolated; None if none was started."""

    @property
    def found(self) -> bool:
        """Whether the replay found a problem: `diverged`, `blocked` or `invalid`."""
        return self.verdict in ("diverged", "blocked", "invalid")

    def to_json(self) -> dict[str, Any]:
        """Return a JSON document; `groups` has the divergences by cause."""
        groups = [group.to_json() for group in groups_of(self.divergences)]
        isolation = None if self.isolation is None else self.isolation.to_json()
        return {**asdict(self), "groups": groups, "isolation": isolation}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Report:
        """Return the report in a document of `to_json`.

        Raises:
            ValueError, TypeError, LookupError or AttributeError: It is not such a document.
        """
        names = {f.name for f in fields(cls)}
        values = {name: value for name, value in document.items() if name in names}
        values["divergences"] = tuple(Divergence(**d) for d in values.get("divergences", ()))
        values["not_compared"] = tuple(
            NotCompared(str(n["what"]), tuple(n["places"]), str(n["reason"]))
            for n in values.get("not_compared", ())
        )
        for name in ("blocked", "notes"):
            values[name] = tuple(map(str, values.get(name, ())))
        isolation = values.get("isolation")
        values["isolation"] = None if isolation is None else Isolation.from_json(isolation)
        if values["verdict"] not in get_args(Verdict):
            raise ValueError(f"unknown verdict {values['verdict']!r}")
        return cls(**values)
