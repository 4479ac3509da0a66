"""What coupons brought: how often shown, when they helped, and the sales that they came with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import connection

from campaigns.earning.attributes import nfc
from campaigns.queries import rulebook


@dataclass(slots=True)
class CouponReport:
    """One coupon over a time. Money is net, of the program's currency.

    ``shown`` are purchases that carried it, ``applied`` those to which a rule gave something
    for it, ``members`` the different people among these, by channel, and ``first_time`` those
    who had bought nothing before. ``points`` are what the rules that ask for it gave, net of
    returns, by point currency. ``revenue`` is the net of the purchases to which it was applied: it
    came with the coupon, which does not say that it came because of it.
    """

    code: str
    rules: tuple[str, ...] = ()
    shown: int = 0
    applied: int = 0
    members: int = 0
    first_time: int = 0
    revenue: Decimal = Decimal(0)
    points: dict[str, int] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)

    @property
    def share_applied(self) -> Decimal:
        """Return the share of ``shown`` that was ``applied``, 0 to 1."""
        return Decimal(self.applied) / self.shown if self.shown else Decimal(0)


def coupon_reports(*, program_id: int, since: datetime, until: datetime) -> list[CouponReport]:
    """Return what each coupon brought from ``since`` to before ``until``, the most used first."""
    asking = _asking()
    reports: dict[str, CouponReport] = {}
    window: dict[str, int | datetime] = {"program": program_id, "since": since, "until": until}
    with connection.cursor() as cursor:
        cursor.execute(_SHOWN, window)
        for code, channel, shown, applied, members, first_time, revenue in cursor.fetchall():
            # A rule compares composed texts; the till may have sent another form of the same.
            report = reports.setdefault(nfc(code), CouponReport(nfc(code)))
            report.shown += shown
            report.applied += applied
            report.members += members
            report.first_time += first_time
            report.revenue += revenue
            report.channels[channel] = report.channels.get(channel, 0) + shown
        cursor.execute(_GIVEN, window)
        given: Iterable[tuple[str, str, str, int]] = cursor.fetchall()
    for code, rule, currency, points in given:
        report = reports[nfc(code)]
        if rule in asking.get(report.code, ()):
            report.points[currency] = report.points.get(currency, 0) + points
    for report in reports.values():
        report.rules = tuple(sorted(asking.get(report.code, ())))
    return sorted(reports.values(), key=lambda each: (-each.applied, -each.shown, each.code))


def _asking() -> Mapping[str, frozenset[str]]:
    """Return by coupon the rules that ask for it, now or in an earlier publication."""
    found: dict[str, set[str]] = {}
    for published in rulebook.latest().publications:
        for rule in published.rules:
            for coupon in rule.coupons:
                found.setdefault(coupon, set()).add(rule.code)
    return {coupon: frozenset(codes) for coupon, codes in found.items()}


# A coupon that gave nothing stands by its name among what did not apply.
_CARRIED: Final = """
SELECT p.id, p.member_id, p.channel, p.net, p.occurred_at, c.code,
  NOT EXISTS (
    SELECT FROM jsonb_array_elements(
      CASE jsonb_typeof(p.evaluation -> 'not_applied') WHEN 'array'
        THEN p.evaluation -> 'not_applied' ELSE '[]' END) n
    WHERE n ->> 'coupon' = c.code) AND p.member_id IS NOT NULL AS applied
FROM members_purchase p
CROSS JOIN LATERAL (SELECT DISTINCT unnest(p.coupons) AS code) c
WHERE p.program_id = %(program)s AND p.coupons <> '{}'
  AND p.occurred_at >= %(since)s AND p.occurred_at < %(until)s
"""
_SHOWN: Final = f"""
WITH carried AS MATERIALIZED ({_CARRIED})
SELECT code, channel, count(*), count(*) FILTER (WHERE applied),
  count(DISTINCT member_id) FILTER (WHERE applied),
  count(DISTINCT member_id) FILTER (WHERE applied AND NOT EXISTS (
    SELECT FROM members_purchase earlier
    WHERE earlier.member_id = carried.member_id AND earlier.occurred_at < carried.occurred_at)),
  coalesce(sum(net) FILTER (WHERE applied), 0)
FROM carried GROUP BY code, channel ORDER BY code, channel
"""
_GIVEN: Final = f"""
WITH carried AS MATERIALIZED ({_CARRIED})
SELECT carried.code, r.code, u.code, sum(a.points - a.taken_back)::bigint
FROM carried
JOIN campaigns_award a ON a.purchase_id = carried.id
JOIN campaigns_ruleversion v ON v.id = a.rule_version_id
JOIN campaigns_earningrule r ON r.id = v.rule_id
JOIN members_pointcurrency u ON u.id = a.currency_id
WHERE carried.applied GROUP BY 1, 2, 3
"""
