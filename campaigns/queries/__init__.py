"""What others may read of rules and awards, joined and ready."""
