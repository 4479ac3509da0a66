"""Points given to a cause: what they are worth, and whether the cause has had it."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from loyalty_site.lib.money import minor_digits
from members.models import PointCurrency
from rewards.models import PayoutLine, Redemption

# Rounded by the server, half up, with the very sentence that the table's constraint holds.
_GIVE = """
INSERT INTO rewards_donation (redemption_id, reward_id, points, rate, match_percent, digits, amount,
    match_amount, donated_at)
SELECT d.redemption, d.reward, d.points, d.rate, d.percent, d.digits,
  round(d.points * d.rate, d.digits), round(d.points * d.rate * d.percent / 100, d.digits), d.moment
FROM (SELECT %s::bigint AS redemption, %s::bigint AS reward, %s::bigint AS points,
        %s::numeric AS rate, %s::numeric AS percent, %s::smallint AS digits,
        %s::timestamptz AS moment) d
"""


def give(*, redemption: Redemption, currency: PointCurrency, moment: datetime) -> None:
    """Write down what a redemption of a cause is worth, at the rates of now.

    Without a rate of its own a cause gets what a point is worth.

    :raises IntegrityError: the redemption's points were not donated, or it is written already.
    """
    reward = redemption.reward
    rate = currency.value if reward.donation_rate is None else reward.donation_rate
    digits = minor_digits(redemption.program.currency)
    with connection.cursor() as cursor:
        cursor.execute(
            _GIVE,
            [
                *(redemption.pk, reward.pk, redemption.points, rate),
                *(reward.donation_match_percent, digits, moment),
            ],
        )


def is_paid_out(redemption: Redemption) -> bool:
    """Return whether a bank document has paid the redemption's donation."""
    if redemption.reward.kind != "donation":
        return False
    return PayoutLine.objects.filter(donation=redemption.pk, is_open=True).exists()
