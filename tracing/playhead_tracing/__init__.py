"""The bridge between an agent's OpenTelemetry spans and Restate's invocation traces.

Not here: code that reads or shows traces (the distribution `playhead`).
"""

from playhead_tracing.bridge import instrument
from playhead_tracing.compat import NotARestateAppError
from playhead_tracing.redaction import Redact

__all__ = ["NotARestateAppError", "Redact", "instrument"]
