"""Journals: recordings as files, and journal entries as commands, results and steps.

`playhead.restate` reads the rows from a server, `playhead.store` from the store.
"""
