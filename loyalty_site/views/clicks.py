"""Where the program's signed links lead: a page that asks before anything is told."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from campaigns.services import clicks
from loyalty_site.lib.errors import DomainError


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def click_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show where the link leads; posting tells of the click and gives the way on.

    A mail program that looks a link up before its reader does tells of nothing by that.
    """
    moment = timezone.now()
    is_told = False
    try:
        link = clicks.opened(token=token, moment=moment)
        if request.method == "POST":
            clicks.follow(link=link, moment=moment)
            is_told = True
    except DomainError as refusal:
        raise Http404 from refusal
    return render(request, "members/click.html", {"link": link, "is_told": is_told})
