"""Rewards, redemptions and gifts in the admin."""

from rewards.admin import catalog, giving

__all__ = ["catalog", "giving"]
