"""The process that runs the user's code: started by `playhead.replay.worker`, never imported."""
