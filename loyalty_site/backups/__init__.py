"""Backups of the database: dumps, base backups with their write-ahead log, and restoring both."""
