"""Secrets as they appear in spans, and values that must stay."""

from __future__ import annotations

KEYS = {
    "http.request.header.authorization": "just-a-word",
    "http.request.header.cookie": "session=just-a-word",
    "http.response.header.set-cookie": "session=just-a-word",
    "x-api-key": "just-a-word",
    "openai.api_key": "just-a-word",
    "db.password": "just-a-word",
    "oauth.client_secret": "just-a-word",
    "aws.secret_access_key": "just-a-word",
    "refresh_token": "just-a-word",
}
"""Attributes whose names say that their values are secret."""

VALUES = {
    "url": "postgresql://app:hunter2-hunter2@db.internal/prod",
    "dsn": "host=db password=hunter2-hunter2 dbname=prod",
    "command line": "tool --token hunter2-hunter2 --verbose",
    "query": "https://example.com/?api_key=hunter2-hunter2&page=2",
    "bearer": "Authorization: Bearer hunter2-hunter2",
    "json": '{"headers": {"Authorization": "hunter2-hunter2"}, "page": 2}',
    "json in json": '{"body": "{\\"password\\": \\"hunter2-hunter2\\"}"}',
    "openai": "key sk-proj-hunter2hunter2hunter2 in a prompt",
    "anthropic": "sk-ant-api03-hunter2hunter2hunter2",
    "google": "AIza" + "hunter2" * 5,
    "aws": "AKIAHUNTER2HUNTER2XX",
    "github": "ghp_" + "hunter2" * 6,
    "slack": "xoxb-hunter2-hunter2",
    "jwt": "eyJhbGciOiJIUzI1.eyJzdWIiOiJodW50ZXIy.hunter2hunter2",
    "logfire": "pylf_v1_eu_hunter2hunter2hunter2",
}
"""Texts with a secret in them; each has `hunter2`, in any case."""

HARMLESS = {
    "gen_ai.usage.input_tokens": 1234,
    "gen_ai.usage.output_tokens": 56,
    "gen_ai.request.max_tokens": 4096,
    "llm.token_count.prompt": 1234,
    "url": "https://example.com/path?page=2#token-counts",
    "text": "The password policy has a basic rule: see task-0123456789abcdef0123.",
    "ratio": 0.5,
    "flag": True,
    "session.id": "ChatAgent/ada",
    "time": "12:30:00 user@example.com",
}
"""Values that no rule may change."""


def leaked(text: str) -> bool:
    """Return whether a text has one of the planted secrets."""
    return "hunter2" in text.lower() or "just-a-word" in text
