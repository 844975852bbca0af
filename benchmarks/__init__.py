"""Speed and memory as ratios to a peer or a floor, measured in one run."""
