"""The recorder: OTLP receivers, the journal copier and the query API, in one process.

Not here: the database (`playhead.store`) and what rows mean (`playhead.decode`).
"""
