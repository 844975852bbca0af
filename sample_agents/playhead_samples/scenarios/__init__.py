"""Scenarios: inject a failure and check how Restate recovers from it.

A scenario is data (`families/`), made of `actions/` and `expectations/`. `runner.run` plays
scenarios on real servers. Not here: the agents, the faults they support, and the LLM server.
"""
