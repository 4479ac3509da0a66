"""The sentences in which reasons and consequences are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from rewards.eligibility import Reason


def points(number: int) -> str:
    """Return a number of points in words: "1 point", "1500 points"."""
    return ngettext("%(number)d point", "%(number)d points", number) % {"number": number}


def told(reason: Reason, *, zone: ZoneInfo, tier_names: Mapping[str, str]) -> dict[str, Any]:
    """Return a reason as answers show it."""
    return {
        "code": reason.code,
        "text": sentence(reason, zone=zone, tier_names=tier_names),
        "missing_points": reason.missing_points,
    }


def sentence(reason: Reason, *, zone: ZoneInfo, tier_names: Mapping[str, str]) -> str:
    """Return the reason as a sentence with its figures, in the active language.

    ``tier_names`` are by code; a tier without a name is told by its code.
    """
    figures = reason.figures
    match reason.code:
        case "insufficient_points":
            template = _("You have %(available)s and need %(missing)s more.")
            words = {
                "available": points(figures["available"]),
                "missing": points(reason.missing_points or 0),
            }
        case "tier_too_low":
            template = _("Only for members in %(tiers)s.")
            words = {"tiers": _listed([tier_names.get(code, code) for code in figures["tiers"]])}
        case "out_of_stock":
            left = figures["stock"]
            template = ngettext("Only %(left)d is left.", "Only %(left)d are left.", left)
            words = {"left": left}
            if left <= 0:
                template = _("All are gone: %(left)d are left.")
        case "not_yet":
            template = _("Can be redeemed from %(moment)s.")
            words = {"moment": _moment(figures["redeemable_from"], zone)}
        case "ended":
            template = _("Could be redeemed until %(moment)s.")
            words = {"moment": _moment(figures["redeemable_to"], zone)}
        case "member_limit":
            template = _("Each member can have %(limit)d; you have had %(uses)d.")
            words = {"limit": figures["limit"], "uses": figures["uses"]}
        case "not_in_segment":
            template, words = _("Only for selected members."), {}
        case "member_suspended":
            template, words = _("The membership is suspended."), {}
        case "in_debt":
            template = _("A return left a debt of %(debt)s, which has to be earned first.")
            words = {"debt": points(figures["debt"])}
    return template % words


def if_cancelled(*, number: int, has_voucher: bool, grace_days: int) -> str:
    """Return what cancelling would do, in the active language."""
    sentences = [
        ngettext(
            "If you cancel, %(number)d point goes back to where it came from.",
            "If you cancel, %(number)d points go back to where they came from.",
            number,
        )
        % {"number": number},
        ngettext(
            "Points that have expired by then come back for %(days)d day.",
            "Points that have expired by then come back for %(days)d days.",
            grace_days,
        )
        % {"days": grace_days},
    ]
    if has_voucher:
        sentences.append(
            _("The voucher is void then; once it is used, nothing can be cancelled any more.")
        )
    return " ".join(sentences)


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return _("%(first)s or %(last)s") % {"first": ", ".join(names[:-1]), "last": names[-1]}


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    return date_format(moment.astimezone(zone), "DATETIME_FORMAT")
