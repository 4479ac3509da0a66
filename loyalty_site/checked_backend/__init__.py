"""Django's PostgreSQL backend, asking whether a kept connection lives only after a pause."""
