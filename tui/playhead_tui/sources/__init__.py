"""Sources of the rows on screen: connections, polling, cached pages, the list's query."""
