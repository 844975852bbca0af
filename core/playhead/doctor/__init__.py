"""Checks the server, the recorder and the spans; each result says what to do next.

`playhead.cli.doctor` runs and shows the checks.
"""
