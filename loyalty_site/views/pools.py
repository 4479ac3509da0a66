"""The pool that a member is in: founding, inviting, joining, giving, leaving."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID, uuid4

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import NotFound
from loyalty_site.pages import pools as told
from loyalty_site.pages.codes import new_key
from loyalty_site.pages.home import balance_of
from loyalty_site.pages.words import Words
from loyalty_site.views.access import member_page
from loyalty_site.views.keyed import caller_of, once
from members.forms import PoolCodeForm, PoolForm, PoolInviteForm, PoolPointsForm, PoolShareForm
from members.models import Member
from members.queries.pools import view_of
from members.services import idempotency, pool_ends, pool_points, pools

# What an act says when it is done; a form with mistakes comes back to the page instead.
Done = str | Form


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def pool_page(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the member's pool, or how to come to one; posting does one act."""
    name = request.POST.get("action", "")
    act = _ACTS.get(name)
    if act is None:
        return _page(request, member, {})
    try:
        done = act(request, member)
    except NotFound:
        raise Http404 from None
    except DomainError as error:
        messages.error(request, told.refusal_of(error))
        return redirect("pool")
    if isinstance(done, Form):
        return _page(request, member, {name: done}, status=422)
    messages.success(request, done)
    # A page of its own, so that reloading does nothing again.
    return redirect("pool")


def _page(
    request: HttpRequest, member: Member, forms: Mapping[str, Form], *, status: int = 200
) -> HttpResponse:
    words, moment = Words(member.program), timezone.now()
    view, kinds = view_of(member.pk, moment), told.kinds_of(member.program)
    # A pool can be left also after the program has switched pools off.
    if view is None and not kinds:
        raise Http404
    context: dict[str, Any] = {
        "pool": told.told(words, view) if view else None,
        "balance": balance_of(words, member, moment),
        "terms": list(told.terms_told(words, member.program)) if kinds else [],
        "key": new_key(),
        "found_form": forms.get("found") or PoolForm(kinds=kinds),
        "join_form": forms.get("join") or PoolCodeForm(),
        "give_form": forms.get("give") or PoolPointsForm(),
        "invite_form": forms.get("invite") or PoolInviteForm(),
        "share_form": forms.get("share")
        or PoolShareForm(initial={"share_pct": view.mine.share_pct if view else 0}),
    }
    return render(request, "members/pool.html", context, status=status)


def _found(request: HttpRequest, member: Member) -> Done:
    form = PoolForm(request.POST, kinds=told.kinds_of(member.program))
    if not form.is_valid():
        return form
    pools.found(
        member_id=member.pk,
        kind=form.cleaned_data["kind"],
        name=form.cleaned_data["name"],
        actor=caller_of(member),
        moment=timezone.now(),
    )
    return _("Your pool is there. Invite whoever is to share it.")


def _invite(request: HttpRequest, member: Member) -> Done:
    form = PoolInviteForm(request.POST)
    if not form.is_valid():
        return form
    row, code = pools.invite(
        member_id=member.pk,
        role=form.cleaned_data["role"],
        actor=caller_of(member),
        moment=timezone.now(),
    )
    day = date_format(timezone.localtime(row.expires_at), "DATE_FORMAT")
    return _("The code %(code)s lets one person in until %(day)s. It is shown once.") % {
        "code": code,
        "day": day,
    }


def _join(request: HttpRequest, member: Member) -> Done:
    form = PoolCodeForm(request.POST)
    if not form.is_valid():
        return form
    pools.join(
        member_id=member.pk,
        code=form.cleaned_data["code"],
        actor=caller_of(member),
        moment=timezone.now(),
    )
    return _("You are in the pool.")


def _share(request: HttpRequest, member: Member) -> Done:
    form = PoolShareForm(request.POST)
    if not form.is_valid():
        return form
    share = form.cleaned_data["share_pct"]
    pools.set_share(
        member_id=member.pk, share_pct=share, actor=caller_of(member), moment=timezone.now()
    )
    return _("%(share)d %% of what you earn goes to the pool.") % {"share": share}


def _give(request: HttpRequest, member: Member) -> Done:
    form = PoolPointsForm(request.POST)
    if not form.is_valid():
        return form
    points, moment = form.cleaned_data["points"], timezone.now()

    def act() -> idempotency.Outcome:
        pool_points.contribute(
            member_id=member.pk,
            points=points,
            ref=str(uuid4()),
            actor=caller_of(member),
            moment=moment,
        )
        return 201, {}, member.pk

    _once(request, member, f"give {points} to the pool", act)
    amount = Words(member.program).points(points).text
    return _("%(points)s are in the pool.") % {"points": amount}


def _leave(request: HttpRequest, member: Member) -> Done:
    moment = timezone.now()

    def act() -> idempotency.Outcome:
        points = pool_ends.leave(member_id=member.pk, actor=caller_of(member), moment=moment)
        return 200, {"points": points}, member.pk

    points = _once(request, member, "leave the pool", act)["points"]
    amount = Words(member.program).points(points).text
    return _("You left the pool. %(points)s came back to you.") % {"points": amount}


def _remove(request: HttpRequest, member: Member) -> Done:
    try:
        other = UUID(request.POST.get("member", ""))
    except ValueError:
        raise Http404 from None
    moment = timezone.now()

    def act() -> idempotency.Outcome:
        pool_ends.remove(owner_id=member.pk, member=other, actor=caller_of(member), moment=moment)
        return 200, {}, member.pk

    _once(request, member, f"remove {other} from the pool", act)
    return _("They are not in the pool any more, and have their points back.")


def _once(
    request: HttpRequest, member: Member, what: str, act: Callable[[], idempotency.Outcome]
) -> dict[str, Any]:
    """Do the act once however often the button is pressed, and return what it answered."""
    answer = once(request, member, what, act)
    if answer.status >= 400:
        # Stored with the first press, in the language of that press.
        raise DomainError(answer.body["detail"])
    body: dict[str, Any] = answer.body
    return body


_ACTS: Final[Mapping[str, Callable[[HttpRequest, Member], Done]]] = {
    "found": _found,
    "invite": _invite,
    "join": _join,
    "share": _share,
    "give": _give,
    "leave": _leave,
    "remove": _remove,
}
