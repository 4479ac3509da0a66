"""The catalog and what members made of it."""

from rewards.models.catalog import Reward
from rewards.models.redemptions import Redemption, Voucher

__all__ = ["Redemption", "Reward", "Voucher"]
