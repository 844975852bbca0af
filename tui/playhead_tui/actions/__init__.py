"""The actions behind the keys: sequences of dialogs, and the changes that follow from them.

Actions take the `Dashboard` protocol, never the app.
"""
