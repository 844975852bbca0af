"""The recorder: OTLP receivers, journal copier and query API in one process, and its clients.

`playhead.store` is the database behind it, `playhead.decode` interprets the rows.
"""
