"""Commands of the rewards app, for operators."""
