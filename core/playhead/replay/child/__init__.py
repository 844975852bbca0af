"""The process that runs the user's code: started by `playhead.replay.app_process`, never imported."""
