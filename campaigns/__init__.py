"""Why points are given, whom we address, and what we learn from it."""
