"""Restate: the admin API (queries and changes), table rows, ids, and the service protocol.

Not here: journals as commands and steps (`playhead.journal`), the recorder's copy of the tables
(`playhead.store`), and the view over both (`playhead.reader`).
"""
