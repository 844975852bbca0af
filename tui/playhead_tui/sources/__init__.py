"""Where the rows of a screen come from: connections, polling, cached pages, the list's query."""
