"""The process that runs the user's code: started by `replay.app_process`, never imported."""
