"""What actions work on: the run of a scenario, agents that restart fast, a slow network.

Not here: the actions themselves, and the processes (see `playhead_samples.stack`).
"""
