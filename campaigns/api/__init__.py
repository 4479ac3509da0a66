"""The operations that bring purchases, returns and events in."""
