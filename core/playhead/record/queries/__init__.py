"""Queries of clients: their requests, their places and threads, and their answers."""
