"""The recording: a DuckDB file, who may open it, and how rows get in and out.

Not here: where rows come from (`playhead.record`), and what they mean (`playhead.decode`).
"""
