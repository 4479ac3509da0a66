"""The operations on rewards, redemptions and vouchers."""
