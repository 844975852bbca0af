"""SQL that finds a text in what the store has recorded: prompts, answers, payloads, errors.

Spans are searched in the values of the attributes with contents, so that `role` or `parts` does not
find every message. A journal entry is searched as it is, with the keys of its JSON.
"""

from __future__ import annotations

from typing import Any

from playhead import conventions as names

__all__ = ["pattern_of", "recorded_ids", "span_texts"]

_MESSAGES = (names.INPUT_MESSAGES, names.OUTPUT_MESSAGES, names.SYSTEM_INSTRUCTIONS)
_PARTS = ("content", "arguments", "response", "result", "name")
_PARTS_PATHS = [f"$.{part}" for part in _PARTS]
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
_VALUES_PATHS = [f'$."{name}"' for name in (*_MESSAGES, *_CONTENTS)]
_FLATTENED = (
    r"^(llm\.(input|output)_messages|gen_ai\.(prompt|completion))\..*"
    r"(content|text|arguments|function\.name)$"
)
_FLATTENED_KEY = r"\"(llm\.(input|output)_messages|gen_ai\.(prompt|completion))\."
_SEARCHED = "invocation_id, attributes, status_message, events"
_ERROR = "exception.message"
_HEX = frozenset("x0123456789abcdef")
"""First characters of texts that could be found inside of a byte that DuckDB shows as `\\x5C`."""


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


def _contents(source: str) -> str:
    """Return a SELECT of `invocation_id` and the contents of each span, as one text.

    The attributes are parsed once, and so is each message: DuckDB keeps what it has parsed of 2,048
    rows, for every function that parses it.
    """
    texts = [f"value[{len(_MESSAGES) + 1}:]", "[status_message]", "exceptions", "flattened"]
    for number in range(1, len(_MESSAGES) + 1):
        value = f"value[{number}]"
        parts = [
            f"flatten([json_extract_string(part, {_PARTS_PATHS})"
            f" FOR part IN json_extract({value}, '{path}')])"
            for path in ("$[*].parts[*]", "$[*]")
        ]
        texts.append(
            f"CASE WHEN json_valid({value}) THEN list_concat({', '.join(parts)}) ELSE [{value}] END"
        )
    joined = ", ".join(f"array_to_string({one}, chr(10))" for one in texts)
    return (
        f"SELECT invocation_id, concat_ws(chr(10), {joined}) AS contents FROM ("
        f"SELECT invocation_id, status_message,"
        f" json_extract_string(attributes, {_VALUES_PATHS}) AS value,"
        f" json_extract_string(events, '$[*].attributes.\"{_ERROR}\"') AS exceptions,"
        f" CASE WHEN regexp_matches(attributes::VARCHAR, '{_FLATTENED_KEY}') THEN"
        f" list_transform(list_filter(json_keys(attributes),"
        f" lambda key: regexp_matches(key, '{_FLATTENED}')),"
        f" lambda key: attributes->>('$.\"' || key || '\"')) END AS flattened"
        f" FROM {source})"
    )


def recorded_ids(name: str, text: str, *, within: str = "") -> tuple[list[str], list[Any]]:
    """Return the CTEs that select the invocations with a text, and their parameters.

    The last CTE has the given name and the column `id`.

    Args:
        name: Name of the CTE.
        text: The text; found in any case.
        within: SELECT of the ids of the invocations to search; empty for all.
    """
    wanted, as_bytes = pattern_of(text), _bytes_pattern(text)
    hits = f"{name}_hits"
    # Row ids limit the scan of the long columns; see `playhead.store.span_selection`.
    # Materialized, so that DuckDB neither checks all other rows nor keeps them in memory.
    sources = {
        table: f"(WITH own AS MATERIALIZED (SELECT {columns} FROM {table} WHERE rowid IN"
        f" (SELECT rowid FROM {table} WHERE {id_} IN ({within}))) FROM own)"
        if within
        else table
        for table, id_, columns in (
            ("spans", "invocation_id", _SEARCHED),
            ("journal", "id", "id, raw"),
            ("journal_events", "id", "id, event_json"),
        )
    }
    shown = "regexp_matches(raw::VARCHAR, ?)"
    params = [wanted, wanted, wanted, wanted, as_bytes]
    if text[:1].lower() in _HEX:
        shown += " AND regexp_matches(raw::VARCHAR, ?)"
        params.append(f"^(?:[^\\\\]|\\\\x[0-9A-F]{{2}})*?{as_bytes}")
    ctes = [
        f"{hits} AS MATERIALIZED (SELECT {_SEARCHED} FROM {sources['spans']}"
        f" WHERE invocation_id IS NOT NULL AND (regexp_matches(attributes::VARCHAR, ?)"
        f" OR regexp_matches(status_message, ?) OR regexp_matches(events::VARCHAR, ?)))",
        f"{name} AS MATERIALIZED ("
        f"SELECT invocation_id AS id FROM ({_contents(hits)}) WHERE regexp_matches(contents, ?)"
        f" UNION SELECT id FROM {sources['journal']} WHERE {shown}"
        f" UNION SELECT id FROM {sources['journal_events']} WHERE regexp_matches(event_json, ?))",
    ]
    return ctes, [*params, wanted]


def span_texts() -> str:
    """Return the DuckDB expression for a list of texts that contain all contents of a span.

    The texts may have more than the contents. Unlike them, they are found by reading the attributes
    once.
    """
    return (
        f"list_concat(json_extract_string(attributes, {_VALUES_PATHS}), [status_message,"
        f" CASE WHEN regexp_matches(attributes::VARCHAR, '{_FLATTENED_KEY}')"
        " THEN attributes::VARCHAR END],"
        f" json_extract_string(events, '$[*].attributes.\"{_ERROR}\"'))"
    )
