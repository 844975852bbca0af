"""Targets of an export: where each one takes OTLP, which headers it needs, what it refuses.

Headers and keys come from the environment, so that they appear neither in process lists nor in a
shell's history. They are never shown.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from urllib.parse import unquote, urlsplit, urlunsplit

from playhead.errors import SettingsError

__all__ = ["HEADERS_VARIABLE", "TARGETS", "Target", "TargetKind", "find_target", "parse_headers"]

HEADERS_VARIABLE = "PLAYHEAD_EXPORT_HEADERS"
TRACES_PATH = "/v1/traces"

_Headers = Callable[[Mapping[str, str]], dict[str, str]]
_SECRET_NAME = re.compile(r"authorization|cookie|key|token|secret|password|team")
"""Names of headers that hold secrets; `x-honeycomb-team` is a key, too."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _no_headers(environ: Mapping[str, str]) -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class TargetKind:
    """What is common to all targets of one kind."""

    name: str
    title: str
    endpoint: str | None = None
    """Address by default."""
    endpoint_variables: tuple[str, ...] = ()
    """Variables of the target's own tools that name its address."""
    key_variables: tuple[str, ...] = ()
    """Variables with its keys."""
    needs_keys: bool = False
    """Whether nothing is accepted without a key."""
    headers: _Headers = _no_headers
    """Makes the headers from the environment, which has all of `key_variables`."""
    path: str = ""
    """Path of the OTLP receiver below the address; `/v1/traces` follows."""
    longest_age: timedelta | None = None
    """Age from which on the target refuses spans."""


@dataclass(frozen=True, slots=True)
class Target:
    """One target, ready to receive requests."""

    kind: TargetKind
    url: str
    """Address of the OTLP receiver, with its path."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    password: str = field(default="", repr=False)
    """Password that the address had."""

    @property
    def shown_url(self) -> str:
        """The address without its query, which may have a key."""
        return urlunsplit((*urlsplit(self.url)[:3], "", ""))

    @property
    def identity(self) -> str:
        """The address with the user and the headers that may name a project, without secrets."""
        found: list[str] = []
        for name, value in sorted(self.headers.items()):
            if name == "authorization":
                found += [f"user={_basic_user(value)}"] if _basic_user(value) else []
            elif not _SECRET_NAME.search(name):
                found.append(f"{name}={value}")
        return "\n".join([self.url, *found])

    def without_secrets(self, text: str) -> str:
        """Return a text, such as an answer of the target, without the values of the headers."""
        secrets = {*self.headers.values(), *(v.rpartition(" ")[2] for v in self.headers.values())}
        secrets |= {self.password, *urlsplit(self.url).query.split("&")}
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) > 3:
                text = text.replace(secret, "…")
        return text


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _basic_user(authorization: str) -> str:
    """Return the user of a Basic authorization, such as Langfuse's public key; else nothing."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value).decode().partition(":")[0]
    except ValueError:
        return ""


def _langfuse(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        "authorization": _basic(environ["LANGFUSE_PUBLIC_KEY"], environ["LANGFUSE_SECRET_KEY"]),
        "x-langfuse-ingestion-version": "4",
    }


def _phoenix(environ: Mapping[str, str]) -> dict[str, str]:
    return {"authorization": f"Bearer {environ['PHOENIX_API_KEY']}"}


def _logfire(environ: Mapping[str, str]) -> dict[str, str]:
    return {"authorization": environ["LOGFIRE_TOKEN"]}


def _datadog(environ: Mapping[str, str]) -> dict[str, str]:
    return {"dd-api-key": environ["DD_API_KEY"]}


TARGETS: Mapping[str, TargetKind] = MappingProxyType({
    kind.name: kind
    for kind in (
        TargetKind("otlp", "OTLP"),
        TargetKind("jaeger", "Jaeger", "http://127.0.0.1:4318"),
        TargetKind(
            "langfuse",
            "Langfuse",
            "https://cloud.langfuse.com",
            ("LANGFUSE_BASE_URL", "LANGFUSE_HOST"),
            ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"),
            needs_keys=True,
            headers=_langfuse,
            path="/api/public/otel",
        ),
        TargetKind(
            "phoenix",
            "Phoenix",
            "http://127.0.0.1:6006",
            ("PHOENIX_COLLECTOR_ENDPOINT",),
            ("PHOENIX_API_KEY",),
            headers=_phoenix,
        ),
        TargetKind(
            "logfire",
            "Logfire",
            "https://logfire-us.pydantic.dev",
            ("LOGFIRE_BASE_URL",),
            ("LOGFIRE_TOKEN",),
            needs_keys=True,
            headers=_logfire,
            longest_age=timedelta(hours=24),
        ),
        TargetKind(
            "datadog",
            "Datadog",
            "https://otlp.datadoghq.com",
            (),
            ("DD_API_KEY",),
            needs_keys=True,
            headers=_datadog,
        ),
    )
})  # fmt: skip
"""Kinds of targets by name. Sources: langfuse.com/integrations/native/opentelemetry,
arize.com/docs/phoenix, logfire.pydantic.dev/docs, docs.datadoghq.com/opentelemetry/setup."""


def find_target(
    name: str,
    endpoint: str | None,
    headers: Mapping[str, str],
    environ: Mapping[str, str],
) -> Target:
    """Return the target with its address and headers.

    Args:
        name: Name of its kind, a key of `TARGETS`.
        endpoint: Its address; by default, that of the target's own variables, or its usual one.
        headers: Headers that are added to those of the environment.
        environ: The environment, with `PLAYHEAD_EXPORT_HEADERS` and the target's keys.

    Raises:
        SettingsError: The address is missing or unusable, or a key is missing.
    """
    kind = TARGETS[name]
    own = next((environ[v] for v in kind.endpoint_variables if environ.get(v)), kind.endpoint)
    address = endpoint or own
    if not address:
        raise SettingsError(
            f"--to {name} needs an address", "Add --endpoint URL, such as http://127.0.0.1:4318."
        )
    url, user, password = _traces_url(address, kind.path)
    given = parse_headers(environ.get(HEADERS_VARIABLE, ""), HEADERS_VARIABLE)
    given |= {key.lower(): value for key, value in headers.items()}
    missing = [variable for variable in kind.key_variables if not environ.get(variable)]
    found = {} if missing or not kind.key_variables else kind.headers(environ)
    keys = {"authorization", "dd-api-key"}
    if kind.needs_keys and missing and not keys & given.keys():
        raise SettingsError(
            f"{kind.title} refuses spans without a key: {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not set",
            f"Set {'it' if len(missing) == 1 else 'them'}, or the header in {HEADERS_VARIABLE}.",
        )
    if user or password:
        found["authorization"] = _basic(user, password)
    return Target(kind, url, {**found, **given}, password)


def parse_headers(text: str, source: str) -> dict[str, str]:
    """Return the headers in `NAME=VALUE,NAME=VALUE`, the form of OTEL_EXPORTER_OTLP_HEADERS.

    Values may be percent-encoded. Raises SettingsError, which never quotes a value.
    """
    headers: dict[str, str] = {}
    parts = [part.strip() for part in text.split(",")]
    for number, part in enumerate([part for part in parts if part], 1):
        name, separator, value = part.partition("=")
        name, value = name.strip().lower(), unquote(value.strip())
        if not separator or not _NAME.fullmatch(name) or not _is_value(value):
            raise SettingsError(
                f"{source}: part {number} is not a header",
                "Write NAME=VALUE, and several of them separated by commas.",
            )
        headers[name] = value
    return headers


def _is_value(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _traces_url(address: str, path: str) -> tuple[str, str, str]:
    """Return the address of the OTLP receiver, and the user and password in it."""
    error = SettingsError(
        f"The address of the target is not a URL: {address.rpartition('@')[2].partition('?')[0]}",
        "Begin with http:// or https://, such as http://127.0.0.1:4318.",
    )
    try:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise error
    except ValueError:
        raise error from None
    base = parts.path.rstrip("/")
    if not base.endswith(TRACES_PATH):
        base = (base if path and base.endswith(path) else base + path) + TRACES_PATH
    place = parts.netloc.rpartition("@")[2]
    url = urlunsplit((parts.scheme, place, base, parts.query, ""))
    return url, unquote(parts.username or ""), unquote(parts.password or "")
