"""One view of invocations, from the live Restate server and the store.

Commands and screens read here. `playhead.restate` and `playhead.record.client` do the fetching.
"""
