"""The dashboard in the terminal: screens and widgets over a source of invocations.

Not here: how anything is read or decoded; see `playhead.reader`.
"""
