"""The timeline of one invocation as geometry: visible rows, time scale, bars."""
