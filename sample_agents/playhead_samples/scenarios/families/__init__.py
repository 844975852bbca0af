"""The scenarios as data, one file per kind of failure; the first docstring line is its title."""
