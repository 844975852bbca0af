"""Sample agents on Restate, a local LLM server, the demo, and failures on demand.

Not here: the tracing of the agents (see `playhead_tracing`) and everything that reads it.
"""
