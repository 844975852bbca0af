"""The testbed of the actions: a scenario's run, agents that restart fast, a slow network.

Not here: the actions themselves, and the processes (see `playhead_samples.stack`).
"""
