"""Who someone is, what they did, what they hold, and what they were told."""
