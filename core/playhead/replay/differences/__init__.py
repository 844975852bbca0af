"""Differences between a recorded journal and what the code does now."""
