"""LLM calls, tools and messages out of journal payloads and span attributes.

One file a framework; not here: reading journals and spans.
"""
