"""The screens of a replay: opening, stops, what-ifs."""
