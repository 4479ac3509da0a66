"""Whose page it is: every member page begins here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from loyalty_site.lib.retries import retrying
from loyalty_site.pages.words import zone_of
from members.models import Member, User
from members.services import logins

P = ParamSpec("P")
Page = Callable[Concatenate[HttpRequest, Member, P], HttpResponse]


def member_page(view: Page[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Give the view the member who is logged in, and let times read in the member's zone.

    Who is not logged in is asked to; who is no member is sent where they belong.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        member = member_of(request)
        if member is None:
            return _elsewhere(request)
        with timezone.override(zone_of(member)):
            return view(request, member, *args, **kwargs)

    page: Callable[Concatenate[HttpRequest, P], HttpResponse] = never_cache(login_required(wrapped))
    return page


def member_of(request: HttpRequest) -> Member | None:
    """Return the member who is logged in with the program, read once for each request."""
    known = vars(request)
    if "member" not in known:
        known["member"] = _found(request)
    found: Member | None = known["member"]
    return found


def _found(request: HttpRequest) -> Member | None:
    user = request.user
    if not isinstance(user, User) or not user.is_authenticated:
        return None
    members = Member.objects.select_related("program").filter(user_id=user.pk)
    return members.exclude(status=Member.Status.ERASED).first()


def _elsewhere(request: HttpRequest) -> HttpResponse:
    user = request.user
    assert isinstance(user, User)
    if user.is_staff:
        return redirect("admin:index")
    # Whoever logged in before there was a program becomes a member now.
    joined = retrying(
        lambda: logins.join(user=user, moment=timezone.now(), locale=get_language() or "")
    )
    if joined is not None and request.method == "GET":
        return redirect(request.get_full_path())
    messages.info(request, _("This login is not a member's yet. Confirm your email address first."))
    return redirect("how_it_works")
