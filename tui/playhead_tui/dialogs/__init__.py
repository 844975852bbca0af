"""Modal boxes that ask one question and return the answer."""
