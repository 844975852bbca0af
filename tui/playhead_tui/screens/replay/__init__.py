"""The screens of a replay: opening it, its stops, and what-if runs."""
