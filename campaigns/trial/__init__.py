"""Tries a program on what really happened, or on what somebody might do, without a database.

Pure: the evaluator that posts purchases over an in-memory ledger. Whoever reads a history or
stores a report is above it.
"""
