"""Scenarios: a failure caused on purpose, and what must be true after Restate dealt with it.

Each is data (a file a family: `crashes`, `models`, `tools`, …); `runner.run` plays them against
real servers. Not here: agents, their faults, and the local LLM server.
"""
