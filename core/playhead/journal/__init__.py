"""Journals: recordings as files, entries as commands and steps.

Not here: servers and the store.
"""
