"""Rules about spans that Python code and SQL share: each is data from which both are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playhead.conventions import names

__all__ = [
    "AGENT_CALL",
    "ANSWERED_LLM_CALL",
    "EXECUTED_LLM_CALL",
    "EXECUTED_TOOL_CALL",
    "LLM_CALL",
    "TOOL_CALL",
    "SpanRule",
    "Synonyms",
    "attribute_sql",
    "is_set",
    "name_sql",
    "number_sql",
]


def is_set(value: object) -> bool:
    """Return whether a boolean attribute is true, as a boolean or as the text `true`."""
    return value is True or value == "true"


def attribute_sql(name: str, *, span: str = "", as_json: bool = False) -> str:
    """Return the DuckDB expression for an attribute of a row of `spans`.

    Args:
        name: The attribute's name.
        span: The table's alias.
        as_json: Keep the value as JSON instead of text.
    """
    return f"""{_column("attributes", span)}{"->" if as_json else "->>"}'$."{name}"'"""


def number_sql(name: str, *, span: str = "") -> str:
    """Return the DuckDB expression for a whole-number attribute; NULL when it is not a number."""
    return f"TRY_CAST({attribute_sql(name, span=span)} AS BIGINT)"


def name_sql(first_word: str, *, span: str = "") -> str:
    """Return the DuckDB condition for server spans of one kind, such as `ATTEMPT_SPAN`."""
    return f"starts_with({_column('name', span)}, '{first_word}')"


@dataclass(frozen=True, slots=True)
class Synonyms:
    """Attributes with the same meaning in several conventions; the first one that is set counts."""

    names: tuple[str, ...]

    def of(self, attributes: Mapping[str, Any]) -> Any:
        """Return the value; None if no attribute is set."""
        for name in self.names:
            if (value := attributes.get(name)) is not None:
                return value
        return None

    def sql(self, *, span: str = "", as_json: bool = False) -> str:
        """Return the same value as a DuckDB expression, NULL if no attribute is set."""
        values = (attribute_sql(name, span=span, as_json=as_json) for name in self.names)
        return f"coalesce({', '.join(values)})"

    def number_sql(self, *, span: str = "") -> str:
        """Return the DuckDB expression for a whole number; NULL when it is not a number."""
        return f"TRY_CAST({self.sql(span=span)} AS BIGINT)"


@dataclass(frozen=True, slots=True)
class SpanRule:
    """A condition on spans, for Python code and SQL."""

    kinds: Mapping[str, tuple[str, ...]]
    """Attributes that name a span's kind, with the accepted values; one of them must match."""
    unset: tuple[str, ...] = ()
    """Boolean attributes that must not be true."""
    succeeded: bool = False
    """Whether the span must have ended, and not with status `error`."""

    def matches(self, attributes: Mapping[str, Any], *, ended: bool, status: str) -> bool:
        """Return whether a span meets the rule.

        Args:
            attributes: The span's attributes.
            ended: Whether the span has an end time.
            status: `unset`, `ok` or `error`.
        """
        for name, values in self.kinds.items():
            if attributes.get(name) in values:
                break
        else:
            return False
        return not any(is_set(attributes.get(name)) for name in self.unset) and (
            not self.succeeded or (ended and status != "error")
        )

    def sql(self, *, span: str = "") -> str:
        """Return the same rule as a DuckDB condition on a row of `spans`; never NULL.

        Args:
            span: The table's alias.
        """
        kinds = [
            f"coalesce({attribute_sql(name, span=span)}, '') IN ({_list(values)})"
            for name, values in self.kinds.items()
        ]
        conditions = [f"({' OR '.join(kinds)})"]
        conditions += [
            f"coalesce({attribute_sql(name, span=span)}, '') <> 'true'" for name in self.unset
        ]
        if self.succeeded:
            conditions.append(f"{_column('end_unix_nano', span)} IS NOT NULL")
            conditions.append(f"coalesce({_column('status_code', span)}, '') <> 'error'")
        return f"({' AND '.join(conditions)})"


_LLM_KINDS: Mapping[str, tuple[str, ...]] = {
    names.OPERATION: names.LLM_OPERATIONS,
    names.SPAN_KIND_OPENINFERENCE: ("LLM",),
    names.REQUEST_TYPE_OPENLLMETRY: ("chat", "completion"),
    # The outer `ai.generateText` repeats the tokens of its requests, as a sum.
    names.OPERATION_VERCEL_AI: (
        "ai.generateText.doGenerate",
        "ai.streamText.doStream",
        "ai.generateObject.doGenerate",
        "ai.streamObject.doStream",
    ),
}
_TOOL_KINDS: Mapping[str, tuple[str, ...]] = {
    names.OPERATION: (names.TOOL_OPERATION,),
    names.SPAN_KIND_OPENINFERENCE: ("TOOL",),
    names.SPAN_KIND_OPENLLMETRY: ("tool",),
    names.OPERATION_VERCEL_AI: ("ai.toolCall",),
}

LLM_CALL = SpanRule(_LLM_KINDS)
"""A request to a model, answered or not, executed or replayed."""
EXECUTED_LLM_CALL = SpanRule(_LLM_KINDS, unset=(names.REPLAYED,))
"""A request that was sent to a model."""
ANSWERED_LLM_CALL = SpanRule(_LLM_KINDS, unset=(names.REPLAYED, names.INTERRUPTED), succeeded=True)
"""A request that was sent and answered: not replayed, failed, interrupted or pending.

Only these count as LLM calls, and only their tokens are added up. `playhead.journal.llm_calls`
excludes those that show a call that another span or an earlier attempt already shows.
"""
TOOL_CALL = SpanRule(_TOOL_KINDS)
"""An execution of a tool, or its repetition in a replay."""
EXECUTED_TOOL_CALL = SpanRule(_TOOL_KINDS, unset=(names.REPLAYED,))
"""An execution of a tool."""
AGENT_CALL = SpanRule(
    {
        names.OPERATION: ("invoke_agent", "create_agent", "invoke_workflow"),
        names.SPAN_KIND_OPENINFERENCE: ("AGENT",),
        names.SPAN_KIND_OPENLLMETRY: ("agent", "workflow"),
    }
)
"""A run of an agent, which contains LLM calls."""


def _column(name: str, span: str) -> str:
    return f"{span}.{name}" if span else name


def _list(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)
