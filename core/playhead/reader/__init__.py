"""One view of invocations from the live Restate server and the store, for commands and screens.

`playhead.restate` and `playhead.record.client` fetch the rows.
"""
