"""Decoders of LLM calls, tool calls and messages in journal payloads and span attributes.

Each framework has its own module. `playhead.reader` reads the journals and spans.
"""
