"""Masking of secrets in spans, by the rules of otel-collector.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from opentelemetry.util.types import AttributeValue

MASK = "****"

_NAMES = re.compile(
    r"(^|[._-])((proxy[._-]?)?authorization|(set[._-]?)?cookies?"
    r"|(x[._-])?api[._-]?key|password|passwd|client[._-]?secret|secret[._-]?(access[._-]?)?key"
    r"|private[._-]?key|access[._-]?token|refresh[._-]?token|auth[._-]?token)$",
    re.IGNORECASE,
)
_VALUES = re.compile(
    "|".join((
        r"""://[^/\s:@"']+:[^/\s@"']+@""",
        r"\b(?i:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}",
        r"""\\*["'](?i:authorization|cookie|set-cookie|x-api-key|api[_-]?key|password|passwd"""
        r"""|client_secret|access_token|refresh_token)\\*["']\s*[:=]\s*\\*["'][^"'\\]+""",
        r"""\b(?i:password|passwd|pwd|api[_-]?key|access[_-]?token|client[_-]?secret)"""
        r"""\s*=\s*[^\s&"',;\\]+""",
        r"""--?(?i:password|passwd|token|api-?key|secret)[ =][^\s"'\\]+""",
        r"\bsk-[A-Za-z0-9_-]{16,}",
        r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
        r"\bAIza[0-9A-Za-z_-]{35}",
        r"\bA[KS]IA[0-9A-Z]{16}\b",
        r"\bgh[pousr]_[A-Za-z0-9]{30,}",
        r"\bgithub_pat_[A-Za-z0-9_]{22,}",
        r"\bglpat-[A-Za-z0-9_-]{20,}",
        r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
        r"\bgsk_[A-Za-z0-9]{20,}",
        r"\bhf_[A-Za-z0-9]{20,}",
        r"\bxai-[A-Za-z0-9]{20,}",
        r"\bpplx-[A-Za-z0-9]{20,}",
        r"\bpylf_v[0-9]_[A-Za-z0-9_]{16,}",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+",
    ))
)  # fmt: skip


def redact_secrets(name: str, value: AttributeValue) -> AttributeValue:
    """Mask secrets in an attribute: pass this function to `instrument` as `redact`.

    Attributes whose names say that they are secret lose their value. In other texts, API keys of
    the known providers, bearer tokens, and passwords in URLs, DSNs and command lines are masked.
    """
    masked: Any = _masked(name, value)
    return value if masked == value else masked


def _masked(name: str, value: Any) -> Any:
    if _NAMES.search(name):
        return MASK
    if isinstance(value, str):
        return _VALUES.sub(MASK, value)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value)
        return {key: _masked(key, item) for key, item in pairs.items()}
    if isinstance(value, list | tuple):
        return tuple(_masked("", item) for item in cast("list[Any]", value))
    return value
