"""Why points moved: the rules behind an earn, the lots behind everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.db.models import F, Q
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from campaigns.models import AwardReversal, RuleGrant, RuleGrantReversal
from campaigns.queries.receipts import receipts_for
from loyalty_site.pages.lines import Line
from loyalty_site.pages.words import Words
from members.models import (
    AdjustmentReason,
    LedgerNote,
    LedgerTransaction,
    LotUse,
    Member,
    PointCurrency,
    PointsOrder,
    Return,
)
from members.queries.statement import statement_rows

Type = LedgerTransaction.Type
ADJUSTED: Final = frozenset({Type.ADJUST_CREDIT, Type.ADJUST_DEBIT, Type.REINSTATE})


def context(*, words: Words, member: Member, line: Line) -> dict[str, Any]:
    """Return the receipt of one of the member's lines."""
    posted = LedgerTransaction.objects.select_related("currency", "reverses").get(pk=line.id)
    uses = _uses(posted)
    is_main = posted.currency.kind == PointCurrency.Kind.REDEEMABLE
    return {
        "entry": line,
        "receipt": _rows(words, member, posted),
        "grants": _grants(words, posted) if is_main and posted.type == Type.EARN else [],
        "lots_used": _lots(words, [use for use in uses if use["kind"] != LotUse.Kind.DEBT]),
        "lots_heading": _lots_heading(posted.type),
        "balance_after": words.points(_balance_after(posted)) if is_main else None,
        "notes": [note for note in _notes(words, posted, uses) if note],
    }


def _rows(words: Words, member: Member, posted: LedgerTransaction) -> list[dict[str, Any]]:
    if posted.type == Type.EARN:
        found = receipts_for([posted.pk], words.languages[0]).get(posted.pk, [])
        campaigns = _campaign_names(words, member)
        return [_award(words, row, campaigns, posted) for row in found]
    if posted.type == Type.CLAWBACK:
        return [_taken_back(words, row) for row in _reversals(posted)]
    return []


def _grants(words: Words, posted: LedgerTransaction) -> list[dict[str, str]]:
    """Return what the rules gave beside points for the purchase or event that earned these."""
    of = {"purchase": "purchase__public_id", "event": "event__public_id"}.get(posted.source)
    if of is None:
        return []
    rows = RuleGrant.objects.filter(**{of: posted.external_ref}).order_by("pk")
    return [
        {
            "name": words.pick(
                row.rule_version.definition.get("name"), row.rule_version.definition["code"]
            ),
            "text": row.text,
            "became": _became(getattr(row, "reversal", None)),
        }
        for row in rows.select_related("rule_version", "reversal")
    ]


def _became(reversal: RuleGrantReversal | None) -> str:
    if reversal is None:
        return ""
    return {
        "taken_back": _("A return has since taken it back."),
        "used": _("You had used it before the goods came back, so it stays yours."),
        "changed": _("It had changed before the goods came back, so it stays as it is."),
    }.get(reversal.outcome, "")


def _award(
    words: Words,
    row: Mapping[str, Any],
    campaigns: Mapping[str, str],
    posted: LedgerTransaction,
) -> dict[str, Any]:
    available_at = row["available_at"]
    is_later = available_at is not None and available_at > posted.occurred_at
    return {
        "name": row["rule"]["name"],
        "text": row["text"],
        "amount": words.points(row["points"]),
        "campaign": campaigns.get(row["campaign"] or "", ""),
        "available_on": words.day(available_at) if is_later else None,
        "last_day": words.last_day(row["expires_at"]),
        "capped": _capped(words, row),
    }


def _capped(words: Words, row: Mapping[str, Any]) -> str:
    told = []
    if row["points"] < row["requested"]:
        figures = {
            "asked": words.points(row["requested"]).text,
            "given": words.points(row["points"]).text,
        }
        told.append(_("A limit made %(asked)s into %(given)s.") % figures)
    if row["taken_back"]:
        points = words.points(row["taken_back"]).text
        told.append(_("A return has since taken back %(points)s.") % {"points": points})
    return " ".join(told)


def _campaign_names(words: Words, member: Member) -> dict[str, str]:
    campaigns = member.program.document.get("campaigns") or []
    return {each["code"]: words.pick(each["name"], each["code"]) for each in campaigns}


def _reversals(posted: LedgerTransaction) -> list[AwardReversal]:
    return list(
        AwardReversal.objects.filter(
            goods_return__public_id=posted.external_ref, award__currency_id=posted.currency_id
        )
        .select_related("award__rule_version")
        .order_by("award__position", "award_id")
    )


def _taken_back(words: Words, row: AwardReversal) -> dict[str, Any]:
    definition = row.award.rule_version.definition
    return {
        "name": words.pick(definition.get("name"), definition.get("code", "")),
        "text": row.award.text,
        "amount": words.points(-row.points),
        "campaign": "",
        "available_on": None,
        "last_day": None,
        "capped": "",
    }


def _uses(posted: LedgerTransaction) -> list[Mapping[str, Any]]:
    rows = (
        LotUse.objects.filter(transaction_id=posted.pk)
        .order_by(F("lot__expires_at").asc(nulls_last=True), "lot_id", "pk")
        .values("kind", "points", "lot__expires_at", "lot__earned_at")
    )
    if posted.type == Type.REDEEM and not rows:
        # Points that were held first had left their lots when the hold was made.
        return _uses(posted.resolves) if posted.resolves else []
    return list(rows)


def _lots(words: Words, uses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the lots by their last day: many small purchases share one."""
    by_day: dict[date | None, list[Mapping[str, Any]]] = {}
    for use in uses:
        by_day.setdefault(words.last_day(use["lot__expires_at"]), []).append(use)
    return [_lots_of_day(words, day, found) for day, found in by_day.items()]


def _lots_of_day(
    words: Words, day: date | None, uses: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    earned = [words.day(use["lot__earned_at"]) for use in uses]
    return {
        "amount": words.moved(abs(sum(use["points"] for use in uses))),
        "last_day": day,
        "earned_from": min(earned),
        "earned_to": max(earned) if max(earned) != min(earned) else None,
    }


_LOTS_HEADINGS: Final[Mapping[str, Callable[[], str]]] = {
    Type.REDEEM: lambda: _("Points used, soonest expiry first"),
    Type.HOLD: lambda: _("Points reserved, soonest expiry first"),
    Type.RELEASE: lambda: _("Back in their place, with their old expiry"),
    Type.REDEMPTION_REVERSAL: lambda: _("Back in their place, with their old expiry"),
    Type.CLAWBACK: lambda: _("Taken from these points"),
    Type.EXPIRE: lambda: _("These points reached their end"),
    Type.ACTIVATE: lambda: _("These points became available"),
}


def _lots_heading(kind: str) -> str:
    heading = _LOTS_HEADINGS.get(kind)
    return heading() if heading else pgettext("receipt", "Points used")


def _balance_after(posted: LedgerTransaction) -> int:
    # The row itself is the first below the place right above it.
    (row,) = statement_rows(
        member_id=posted.member_id or 0,
        currency_id=posted.currency_id,
        after=(posted.recorded_at, posted.pk + 1),
        before=None,
        limit=1,
    )
    return row.balance_after.available


def _notes(words: Words, posted: LedgerTransaction, uses: Sequence[Mapping[str, Any]]) -> list[str]:
    paid = sum(use["points"] for use in uses if use["kind"] == LotUse.Kind.DEBT)
    notes = [_kind_note(words, posted)]
    if paid > 0:
        notes.append(
            _("%(points)s of these settled what you owed from a return.")
            % {"points": words.points(paid).text}
        )
    if posted.type == Type.CLAWBACK:
        notes += _clawback_notes(words, posted)
    if posted.type in ADJUSTED:
        notes += _adjustment_notes(words, posted)
    return notes


def _adjustment_notes(words: Words, posted: LedgerTransaction) -> list[str]:
    """Say what staff gave as the reason, and what they wrote beside it; of an order, what of it."""
    order = PointsOrder.objects.filter(Q(transaction=posted) | Q(refund=posted)).first()
    if order is not None:
        return _order_notes(words, posted, order)
    reason = AdjustmentReason.objects.filter(code=posted.reason_code).first()
    note = LedgerNote.objects.filter(transaction=posted).first()
    told = _("We adjusted your points by hand.")
    if posted.type == Type.REINSTATE:
        told = _("We gave you points back that had expired: %(reason)s.") % {
            "reason": words.pick(reason.text) if reason else ""
        }
    elif reason is not None:
        told = _("We adjusted your points by hand: %(reason)s.") % {
            "reason": words.pick(reason.text)
        }
    return [told, note.text if note else "", *_lasts(words, posted)]


def _lasts(words: Words, posted: LedgerTransaction) -> list[str]:
    ends = [words.last_day(end) for end in posted.lots.values_list("expires_at", flat=True)]
    return [
        _("These points can be used through %(day)s.") % {"day": words.day_text(day)}
        # The lots of an expiry that come back together end together.
        for day in dict.fromkeys(ends)
        if day
    ]


def _order_notes(words: Words, posted: LedgerTransaction, order: PointsOrder) -> list[str]:
    """Say what was paid to whom, and until when it can be given back or that it was."""
    payment = {
        "price": words.money(order.price, order.money),
        "day": words.day_text(words.day(order.paid_at)),
        "provider": order.provider,
        "reference": order.reference,
    }
    told = _("You paid %(price)s on %(day)s by %(provider)s; the payment is %(reference)s.")
    notes = [told % payment, _("They buy rewards like all others and do not count for your tier.")]
    if order.refunded_at is None:
        until = words.last_day(order.refundable_until)
        notes.append(
            _("What you have not used of them can be given back through %(day)s.")
            % {"day": words.day_text(until) if until else ""}
        )
        return [*notes, *_lasts(words, posted)]
    back = {
        "points": words.points(order.refunded_points or 0).text,
        "price": words.money(order.refunded_price or Decimal(0), order.money),
        "day": words.day_text(words.day(order.refunded_at)),
    }
    sentence = _("%(points)s were given back on %(day)s; %(price)s of the payment is returned.")
    return [*notes[:1], sentence % back]


def _kind_note(words: Words, posted: LedgerTransaction) -> str:
    match posted.type:
        case Type.EXPIRE:
            return _("Points that are not used by their last day expire.")
        case Type.ACTIVATE:
            return _("The time for returns is over, so these points can be used now.")
        case Type.HOLD:
            return _("They are reserved for a reward and come back if it is not collected in time.")
        case Type.RELEASE:
            return _("The reservation ended, and the points came back.")
        case Type.REDEMPTION_REVERSAL if posted.source == "return":
            return _("Goods came back that these points had helped to pay.")
        case Type.REDEMPTION_REVERSAL:
            return _("The redemption was cancelled, and its code no longer works.")
    return ""


def _clawback_notes(words: Words, posted: LedgerTransaction) -> list[str]:
    found = Return.objects.filter(public_id=posted.external_ref).select_related("purchase").first()
    if found is None:
        return []
    figures = (found.points.get("by_currency") or {}).get(posted.currency.code) or {}
    notes = []
    if found.purchase is not None:
        day = words.day_text(words.day(found.purchase.occurred_at))
        notes.append(
            _("Goods of your purchase of %(day)s came back, and so did their points.")
            % {"day": day}
        )
    for name, sentence in _CLAWBACK_SENTENCES.items():
        if number := figures.get(name):
            notes.append(sentence() % {"points": words.points(number).text})
    return notes


_CLAWBACK_SENTENCES: Final[Mapping[str, Callable[[], str]]] = {
    "to_debt": lambda: _("%(points)s had been used already; what you earn next settles that."),
    "already_expired": lambda: _("%(points)s had expired before and count as taken back."),
    "forgiven": lambda: _("%(points)s had been used already and are forgiven."),
}
