"""Journals: recordings as files, and journal entries as commands, results and steps.

Not here: reading rows from a server (`playhead.restate`) or from the store (`playhead.store`).
"""
