"""The page on which staff post a partner's file: points given, exchanged in and exchanged out."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from io import StringIO
from typing import Final
from zoneinfo import ZoneInfo

from django import forms
from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.queries.endings import default_end
from loyalty_site.lib.errors import DomainError
from members.models import Member, Partner, PartnerMovement
from members.services import partners

COLUMNS: Final = ("reference", "member", "kind", "amount")
KINDS: Final = ("credit", "exchange_in", "exchange_out")
ROWS_MAX: Final = 1000
BYTES_MAX: Final = 200_000


class PartnerFileForm(forms.Form):
    """A partner's file."""

    partner = forms.ModelChoiceField(
        Partner.objects.filter(is_retired=False).select_related("program", "currency"),
        label=gettext_lazy("Partner"),
        empty_label=None,
    )
    file = forms.FileField(
        label=gettext_lazy("CSV with the columns reference, member, kind and amount")
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row of the file."""

    line: int
    reference: str
    told: str


def partner_file(request: HttpRequest) -> HttpResponse:
    """Post a partner's file row by row; a row that was posted before moves nothing."""
    if not request.user.has_perm("members.add_partnermovement"):
        raise PermissionDenied
    form = PartnerFileForm(request.POST or None, request.FILES or None)
    outcomes: list[Outcome] = []
    if request.method == "POST" and form.is_valid():
        raw = form.cleaned_data["file"].read(BYTES_MAX + 1)
        try:
            rows = _rows(raw)
        except ValueError as error:
            form.add_error("file", str(error))
        else:
            actor = f"staff:{request.user.pk}"
            outcomes = list(_posted(form.cleaned_data["partner"], rows, actor))
    context = {
        **site.each_context(request),
        "title": _("Post a partner's file"),
        "form": form,
        "outcomes": outcomes,
    }
    return TemplateResponse(request, "admin/partners/form.html", context)


def _rows(raw: bytes) -> list[Mapping[str, str]]:
    if len(raw) > BYTES_MAX:
        raise ValueError(_("The file is too large."))
    try:
        reader = csv.DictReader(StringIO(raw.decode("utf-8-sig")), strict=True)
        rows: list[Mapping[str, str]] = list(reader)
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(_("The file is not CSV in UTF-8.")) from None
    if tuple(reader.fieldnames or ()) != COLUMNS or len(rows) > ROWS_MAX:
        told = _("The first line has to be %(columns)s, with at most %(most)d rows after it.")
        raise ValueError(told % {"columns": ",".join(COLUMNS), "most": ROWS_MAX})
    return rows


def _posted(partner: Partner, rows: list[Mapping[str, str]], actor: str) -> Iterator[Outcome]:
    for line, row in enumerate(rows, start=2):
        reference = (row["reference"] or "").strip()[:128]
        try:
            yield Outcome(line, reference, _move(partner, row, reference, actor))
        except (DomainError, ValueError) as refusal:
            yield Outcome(line, reference, str(refusal))
        except IntegrityError:
            yield Outcome(line, reference, _("The books refused it."))


def _move(partner: Partner, row: Mapping[str, str], reference: str, actor: str) -> str:
    member = Member.objects.filter(number=(row["member"] or "").strip()).first()
    amount = _amount(row["amount"] or "")
    kind = (row["kind"] or "").strip()
    if member is None:
        raise ValueError(_("No member has this number."))
    if not reference or kind not in KINDS or amount is None:
        raise ValueError(_("Reference, kind or amount cannot be read."))
    if kind != "exchange_in" and amount != amount.to_integral_value():
        raise ValueError(_("Points are whole."))
    moment = timezone.now()
    zone = ZoneInfo(partner.program.timezone)
    wish = partners.Wish(
        partner=partner,
        member=member,
        kind=PartnerMovement.Kind(kind),
        external_id=reference,
        amount=amount,
        actor=actor,
        expires_at=default_end(partner.currency, moment, zone),
    )
    made = partners.move(wish=wish, moment=moment)
    return f"{made.points} {made.get_state_display()}"


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 < amount <= 10**12 else None
