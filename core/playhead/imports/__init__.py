"""Import of spans from files of other tools: they are sent to the recorder of the store."""
