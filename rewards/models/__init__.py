"""The catalog and what members made of it."""

from rewards.models.catalog import Reward
from rewards.models.giving import Donation, Payout, PayoutLine
from rewards.models.redemptions import Redemption, Voucher
from rewards.models.tenders import PointsTender

__all__ = [
    "Donation",
    "Payout",
    "PayoutLine",
    "PointsTender",
    "Redemption",
    "Reward",
    "Voucher",
]
