"""Functions that turn steps, spans, attempts and stops into the lines of the inspector's tabs."""
