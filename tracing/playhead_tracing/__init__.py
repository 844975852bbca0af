"""The bridge between an agent's OpenTelemetry spans and Restate's invocation traces.

Not here: anything that reads or shows traces (see the distribution `playhead`).
"""

from playhead_tracing.bridge import instrument
from playhead_tracing.compat import NotARestateApp
from playhead_tracing.redaction import Redact

__all__ = ["NotARestateApp", "Redact", "instrument"]
