"""The fields that a filter can name, with the kinds of values that they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from playhead.model import FAILING, STATUSES, Status, WaitingKind

__all__ = ["FIELDS", "OPERATORS", "STATUS_GROUPS", "WAIT_GROUPS", "Field", "Kind", "Source"]

Kind = Literal[
    "name", "part", "prefix", "status", "wait", "time", "length", "number", "money"
]  # fmt: skip
"""How values are compared.

`name`: the whole value in any case, `*` for any characters; `part`: a part of the value is enough;
`prefix`: its beginning; `length`: a duration.
"""
Source = Literal["row", "store"]
"""`row`: the server's row has it, and the store's copy too; `store`: only what was recorded."""

OPERATORS = (":", "=", ">", ">=", "<", "<=")
_ORDERED: tuple[Kind, ...] = ("length", "number", "money")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the filter language."""

    name: str
    kind: Kind
    description: str
    example: str
    source: Source = "row"
    values: tuple[str, ...] = ()
    """The values that it accepts, if they are known beforehand."""

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators that it accepts."""
        return OPERATORS if self.kind in _ORDERED else OPERATORS[:2]


def _statuses(names: Iterable[Status]) -> tuple[Status, ...]:
    return tuple(names)


STATUS_GROUPS: Mapping[str, tuple[Status, ...]] = {
    "retrying": ("backing-off",),
    "failing": _statuses(FAILING),
    "stuck": ("backing-off", "paused"),
    "queued": ("pending", "inboxed"),
    "active": _statuses(name for name, rule in STATUSES.items() if not rule.ended),
    "completed": _statuses(name for name, rule in STATUSES.items() if rule.ended),
}
"""Further names for one or several statuses."""

WAIT_GROUPS: Mapping[str, tuple[WaitingKind, ...]] = {
    "approval": ("awakeable", "promise", "signal"),
    "answer": ("awakeable",),
}
"""Further names for one or several kinds of waiting."""

FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field("status", "status", "Status, or a group of them.", "status:retrying",
              values=(*STATUSES, *STATUS_GROUPS)),
        Field("service", "name", "Name of the service.", "service:Chat"),
        Field("handler", "name", "Name of the handler.", "handler:run"),
        Field("key", "name", "Key of the virtual object or workflow.", "key:u1"),
        Field("target", "part", "Part of `Service/key/handler`.", "target:Chat/u1"),
        Field("id", "prefix", "Beginning of the id.", "id:inv_1x"),
        Field("error", "part", "Part of the last failure.", 'error:"rate limit"'),
        Field("wait", "wait", "What it waits for.", "wait:approval",
              values=(*WAIT_GROUPS, *get_args(WaitingKind))),
        Field("since", "time", "Created at this time or later: an age or a time.", "since:1h"),
        Field("until", "time", "Created before this time: an age or a time.", "until:15m"),
        Field("duration", "length", "Time from creation to completion, or until now.",
              "duration>30s"),
        Field("deployment", "prefix", "Beginning of the deployment's id.", "deployment:dp_11"),
        Field("parent", "prefix", "Beginning of the id of the calling invocation.",
              "parent:inv_1x"),
        Field("restarted", "prefix", "Beginning of the id of the original of a restart.",
              "restarted:inv_1x"),
        Field("cluster", "name", "Name of the server's cluster.", "cluster:production", "store"),
        Field("attempts", "number", "Number of attempts that are known.", "attempts>=3", "store"),
        Field("failures", "number", "Number of failed attempts that are recorded.", "failures>0",
              "store"),
        Field("failure", "prefix", "Beginning of a fingerprint; see `playhead failures`.",
              "failure:54c30dd8", "store"),
        Field("calls", "number", "Number of LLM calls.", "calls>10", "store"),
        Field("tokens", "number", "Tokens of all LLM calls.", "tokens>1000", "store"),
        Field("input", "number", "Input tokens of all LLM calls.", "input>1000", "store"),
        Field("output", "number", "Output tokens of all LLM calls.", "output>1000", "store"),
        Field("cost", "money", "Cost of all LLM calls in US dollars.", "cost>0.1", "store"),
        Field("llm", "part", "Part of the name of a model that it called.", "llm:gpt-4", "store"),
        Field("tool", "name", "Name of a tool that it executed.", "tool:refund", "store"),
        Field("agent", "name", "Name of an agent that called a model.", "agent:triage", "store"),
        Field("step", "part", "Part of the name of a step.", 'step:"send email"', "store"),
    )
}  # fmt: skip
"""Every field, by name, in the order of the help."""
