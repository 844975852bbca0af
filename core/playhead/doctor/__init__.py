"""Checks of everything that has to work together, each with what to do when it does not.

Not here: how they are shown (`playhead.cli.doctor`).
"""
