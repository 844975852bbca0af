"""SQL that finds a text in what the store has recorded: prompts, answers, payloads, errors.

Spans are searched in the values of the attributes with contents, so that `role` or `parts` does not
find every message. A journal entry is searched as it is, with the keys of its JSON.
"""

from __future__ import annotations

from typing import Any

from playhead import conventions as names
from playhead.conventions import attribute_sql

__all__ = ["pattern_of", "recorded_ids"]

_MESSAGES = (names.INPUT_MESSAGES, names.OUTPUT_MESSAGES, names.SYSTEM_INSTRUCTIONS)
_PARTS = ("content", "arguments", "response", "result", "name")
_PATHS = [
    *(f"$[*].parts[*].{part}" for part in _PARTS),
    *(f"$[*].{part}" for part in _PARTS),
]
_CONTENTS = tuple(
    dict.fromkeys(
        name
        for synonyms in (
            names.PROMPT, names.RESPONSE, names.TOOL_CALL_ARGUMENTS, names.TOOL_CALL_RESULT,
        )
        for name in (*synonyms.names, "ai.prompt", "ai.response.toolCalls")
        if name not in _MESSAGES
    )
)  # fmt: skip
_FLATTENED = (
    r"^(llm\.(input|output)_messages|gen_ai\.(prompt|completion))\..*"
    r"(content|text|arguments|function\.name)$"
)
_ERROR = "exception.message"


def pattern_of(text: str) -> str:
    """Return a regular expression that finds a text in JSON at any depth of escaping."""
    return "(?i)" + "".join(map(_character, text))


def _character(character: str) -> str:
    if character == '"':
        return r'\\*"'
    if character == "\\":
        return r"\\+"
    if character == "/":
        return r"\\*/"
    if character == "\n":
        return r"(?:\n|\\+n)"
    if character == "\t":
        return r"(?:\t|\\+t)"
    if character.isascii():
        return character if character.isalnum() or character == " " else f"\\{character}"
    codes = character.encode("utf-16-be").hex()
    escaped = "".join(rf"\\+u{codes[n : n + 4]}" for n in range(0, len(codes), 4))
    return f"(?:{character}|{escaped})"


def _bytes_pattern(text: str) -> str:
    """Return a regular expression for bytes as DuckDB shows them: in hex other than ASCII."""
    return "(?i)" + "".join(map(_shown, text))


def _shown(character: str) -> str:
    backslash = r"\\x5C"
    if character in "\"'":
        return rf"(?:{backslash})*\\x{ord(character):02X}"
    if character == "\\":
        return f"(?:{backslash})+"
    if character in "\n\t":
        short = "n" if character == "\n" else "t"
        return rf"(?:\\x{ord(character):02X}|(?:{backslash})+{short})"
    if character.isascii():
        plain = character if character.isalnum() or character == " " else f"\\{character}"
        return rf"(?:{backslash})*{plain}" if character == "/" else plain
    forms = {character, character.lower(), character.upper()}
    codes = character.encode("utf-16-be").hex()
    units = "".join(f"(?:{backslash})+u{codes[n : n + 4]}" for n in range(0, len(codes), 4))
    shown = ["".join(rf"\\x{byte:02X}" for byte in form.encode()) for form in sorted(forms)]
    return f"(?:{'|'.join([*shown, units])})"


def _contents(alias: str) -> str:
    """Return the DuckDB expression for the contents of a span, as a list of texts."""
    lists: list[str] = []
    for name in _MESSAGES:
        value = attribute_sql(name, span=alias)
        parts = ", ".join(f"json_extract_string({value}, '{path}')" for path in _PATHS)
        lists.append(f"CASE WHEN json_valid({value}) THEN list_concat({parts}) ELSE [{value}] END")
    single = [attribute_sql(name, span=alias) for name in _CONTENTS]
    single += [f"{alias}.status_message"]
    lists.append(f"[{', '.join(single)}]")
    lists.append(f"json_extract_string({alias}.events, '$[*].attributes.\"{_ERROR}\"')")
    lists.append(
        f"list_transform(list_filter(json_keys({alias}.attributes),"
        f" lambda key: regexp_matches(key, '{_FLATTENED}')),"
        f" lambda key: {alias}.attributes->>('$.\"' || key || '\"'))"
    )
    return f"concat_ws(chr(10), {', '.join(f'array_to_string({one}, chr(10))' for one in lists)})"


def recorded_ids(name: str, text: str) -> tuple[list[str], list[Any]]:
    """Return the CTEs that select the invocations with a text, and their parameters.

    The last CTE has the given name and the column `id`.

    Args:
        name: Name of the CTE.
        text: The text; found in any case.
    """
    wanted = pattern_of(text)
    hits = f"{name}_hits"
    ctes = [
        f"{hits} AS MATERIALIZED (SELECT * FROM spans WHERE invocation_id IS NOT NULL"
        f" AND (regexp_matches(attributes::VARCHAR, ?) OR regexp_matches(status_message, ?)"
        f" OR regexp_matches(events::VARCHAR, ?)))",
        f"{name} AS MATERIALIZED ("
        f"SELECT invocation_id AS id FROM {hits} AS hit"
        f" WHERE regexp_matches({_contents('hit')}, ?)"
        f" UNION SELECT id FROM journal WHERE regexp_matches(raw::VARCHAR, ?)"
        f" UNION SELECT id FROM journal_events WHERE regexp_matches(event_json, ?))",
    ]
    return ctes, [wanted, wanted, wanted, wanted, _bytes_pattern(text), wanted]
