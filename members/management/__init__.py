"""Commands of the members app."""
