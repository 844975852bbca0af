"""Calls of models and tools, as spans and journals show them."""
