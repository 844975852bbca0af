"""What the keys do: dialogs, and the changes behind them.

Actions take a small protocol, never the app.
"""
