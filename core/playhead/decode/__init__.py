"""Decodes LLM calls, tool calls and messages from journal payloads and span attributes.

One module per framework. Journals and spans are read elsewhere (`playhead.reader`).
"""
