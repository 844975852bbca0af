"""Rows of invocations from the server and the store: filtered, ordered, grouped, explained."""
