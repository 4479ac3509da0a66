"""What this app promises, as tests."""
