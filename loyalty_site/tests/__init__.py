"""Journeys across the apps, and what tests run on."""
