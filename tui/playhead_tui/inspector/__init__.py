"""What the inspector tells of a row of the timeline; drawing it lies in `widgets.inspector`."""
