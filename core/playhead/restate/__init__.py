"""Restate: the admin API (queries and changes), table rows, ids, and the service protocol.

See `playhead.journal` for journals as commands and steps, `playhead.store` for the recorder's copy
of the tables, and `playhead.reader` for one view of both.
"""
