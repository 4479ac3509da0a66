"""Points by a code: typed in, or brought along by the link behind a QR code."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from campaigns.services import codes
from loyalty_site.lib.errors import DomainError
from loyalty_site.pages.words import Words
from loyalty_site.views.access import member_page
from loyalty_site.views.keyed import caller_of
from members.forms import CodeForm
from members.models import Member
from members.services.tries import TriedTooOften

CODE_LENGTH_MAX = 64


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def earn_page(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the form, filled by the link; posting redeems the code, once for ever."""
    if request.method != "POST":
        # A link fills the form and no more: following one must not move points.
        given = request.GET.get("code", "")[:CODE_LENGTH_MAX]
        return render(request, "members/earn.html", {"form": CodeForm(initial={"code": given})})
    form = CodeForm(request.POST)
    if not form.is_valid():
        return render(request, "members/earn.html", {"form": form}, status=422)
    try:
        outcome = codes.redeem(
            member=member,
            code=form.cleaned_data["code"],
            actor=caller_of(member),
            moment=timezone.now(),
        )
    except DomainError as refusal:
        form.add_error("code", _told(refusal))
        return render(request, "members/earn.html", {"form": form}, status=refusal.status)
    _tell(request, member, outcome.body["points"]["granted"], is_repeat=outcome.replayed)
    return redirect("earn")


def _told(refusal: DomainError) -> str:
    if isinstance(refusal, TriedTooOften):
        minutes = -(-refusal.figures["retry_after"] // 60)
        return _("Too many wrong codes. Try again in %(minutes)s min.") % {"minutes": minutes}
    if isinstance(refusal, codes.CodeNotFound):
        told = _("This code is unknown, was used already, or its time is over.")
        left = refusal.figures.get("tries_left", 0)
        if left == 0:
            return f"{told} {_('You can try again in 15 minutes.')}"
        return told
    return str(refusal.detail)


def _tell(request: HttpRequest, member: Member, points: int, *, is_repeat: bool) -> None:
    figures = {"points": Words(member.program).points(points).text}
    if is_repeat:
        messages.info(request, _("You redeemed this code before: %(points)s.") % figures)
    elif points:
        messages.success(request, _("Well found: %(points)s for you.") % figures)
    else:
        messages.info(request, _("The code is noted. It gives no points at the moment."))
