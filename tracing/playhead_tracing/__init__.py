"""The bridge between an agent's OpenTelemetry spans and Restate's invocation traces.

The distribution `playhead` reads and shows the traces.
"""

from playhead_tracing.bridge import instrument
from playhead_tracing.compat import NotARestateAppError
from playhead_tracing.redaction import Redact
from playhead_tracing.secrets import redact_secrets

__all__ = ["NotARestateAppError", "Redact", "instrument", "redact_secrets"]
