"""Differences between a recorded journal and today's code."""
