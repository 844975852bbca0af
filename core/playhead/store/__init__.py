"""The store: a DuckDB file with one writer, its tables, and how rows are written and read.

`playhead.record` receives the rows, `playhead.decode` interprets them.
"""
