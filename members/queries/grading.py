"""What the program says about its tiers, as the pure grading needs it."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from members.grading import Grading, Ladder, Policy, Rung
from members.models import PointCurrency, Program, Tier


@dataclass(frozen=True, slots=True)
class ProgramGrading:
    """The grading with the rows behind its codes."""

    grading: Grading
    currency_id: int
    tier_ids: dict[str, int]
    undo_upgrade_days: int = 0

    @property
    def codes(self) -> dict[int, str]:
        """Return the code of each tier by its row."""
        return {row: code for code, row in self.tier_ids.items()}


def grading_of(program: Program) -> ProgramGrading | None:
    """Return the program's grading, or None while it has no tiers.

    Retired tiers stay known by their rows, since old standings name them.
    """
    policy = program.tier_policy
    tiers = list(Tier.objects.filter(program=program).order_by("threshold", "pk"))
    rungs = tuple(Rung(tier.code, tier.threshold) for tier in tiers if not tier.is_retired)
    if not policy or not rungs:
        return None
    currency = PointCurrency.objects.get(program=program, code=policy["currency"])
    return ProgramGrading(
        grading=Grading(
            ladder=Ladder(rungs),
            policy=Policy(
                months=policy["months"],
                downgrade=policy["downgrade"],
                grace_days=policy["grace_days"],
            ),
            zone=ZoneInfo(program.timezone),
        ),
        currency_id=currency.pk,
        tier_ids={tier.code: tier.pk for tier in tiers},
        undo_upgrade_days=policy.get("undo_upgrade_days", 0),
    )
