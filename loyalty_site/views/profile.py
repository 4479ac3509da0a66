"""Who a member is to the program: details, consents, the copy of their data, and leaving."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from campaigns.services.erasure import erase_member
from loyalty_site.lib.problems import Invalid
from loyalty_site.lib.retries import retrying
from loyalty_site.pages import account, home
from loyalty_site.pages.transfers import terms_in
from loyalty_site.pages.words import Words
from loyalty_site.views.access import member_page
from loyalty_site.views.recent import asked_again
from members.forms import ProfileForm
from members.models import DataExport, Member
from members.queries.consents import latest_consents
from members.services import attributes, consents, exports, profile

Answer = HttpResponse | ProfileForm


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def profile_page(request: HttpRequest, member: Member) -> HttpResponse:
    """Show and change who the member is to the program."""
    act = _ACTS.get(request.POST.get("action", ""))
    answered = act(request, member) if act is not None else _form(member)
    if isinstance(answered, HttpResponse):
        return answered
    context = _profile(member, answered)
    return render(request, "members/profile.html", context, status=422 if act else 200)


@require_safe
@member_page
def export_file(_request: HttpRequest, member: Member, public_id: UUID) -> HttpResponse:
    """Hand over the copy of the member's data."""
    found = _ready_exports(member).filter(public_id=public_id).first()
    if found is None or found.content is None:
        raise Http404
    return HttpResponse(
        bytes(found.content),
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{member.number}.zip"'},
    )


def _form(member: Member, data: Any = None) -> ProfileForm:
    held = {name: getattr(member, name) for name in profile.FIELDS}
    return ProfileForm(data, initial=held, member=member, moment=timezone.now())


def _profile(member: Member, form: ProfileForm) -> dict[str, Any]:
    words, export = Words(member.program), _ready_exports(member).last()
    return {
        **account.heading(words, member),
        "form": form,
        "identifiers": account.identifiers(member),
        "consents": account.consents(latest_consents(member.pk)),
        "export": export,
        "can_send": terms_in(member.program) is not None,
        "can_pool": bool(member.program.pools),
        "can_claim": bool(member.program.document.get("claims")),
        "forfeits": home.balance_of(words, member, timezone.now())["available"],
    }


def _ready_exports(member: Member) -> Any:
    return DataExport.objects.filter(
        member=member, state=DataExport.State.READY, expires_at__gt=timezone.now()
    ).order_by("requested_at", "pk")


def _save_details(request: HttpRequest, member: Member) -> Answer:
    form = _form(member, request.POST)
    if not form.is_valid():
        return form
    with transaction.atomic():
        locked = Member.objects.select_for_update(no_key=True).get(pk=member.pk)
        now = timezone.now()
        profile.change(member=locked, fields=form.cleaned_data, moment=now, by_member=True)
        attributes.change(
            member=locked,
            values=form.answers,
            actor=f"member:{member.pk}",
            moment=now,
            by_member=True,
        )
    messages.success(request, _("Your details are saved."))
    return redirect("profile")


def _save_consent(request: HttpRequest, member: Member) -> Answer:
    answer = account.answer(request.POST)
    if answer is not None:
        consents.change(member=member, answers=[answer], source="profile", moment=timezone.now())
        messages.success(request, _("Your choice is saved."))
    return redirect("profile")


def _export(request: HttpRequest, member: Member) -> Answer:
    exports.request_export(member=member, moment=timezone.now())
    messages.success(request, _("Your file is ready. It can be downloaded for a week."))
    return redirect("profile")


def _erase(request: HttpRequest, member: Member) -> Answer:
    # Whoever finds a phone unlocked must not be able to end a membership.
    if (asked := asked_again(request, back="profile")) is not None:
        return asked
    confirm, moment = request.POST.get("confirm", ""), timezone.now()
    try:
        retrying(
            lambda: erase_member(
                member=member, confirm=confirm, actor=f"member:{member.pk}", moment=moment
            )
        )
    except Invalid:
        messages.error(request, _("That was not your member number. Nothing was erased."))
        return redirect("profile")
    logout(request)
    messages.success(request, _("Your account is erased. Goodbye, and thank you."))
    return redirect("how_it_works")


_ACTS: Final[Mapping[str, Callable[[HttpRequest, Member], Answer]]] = {
    "details": _save_details,
    "consent": _save_consent,
    "export": _export,
    "erase": _erase,
}
