"""Points that wait for staff, or for an event, and the button that lets them go."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from members.models import PointLot
from members.services import waiting

LOTS_SHOWN = 200
RELEASE = "members.add_approval"


@require_http_methods(["GET", "HEAD", "POST"])
def waiting_page(request: HttpRequest) -> HttpResponse:
    """Show what waits, the oldest first, or release the lots that were chosen, all or none."""
    if not request.user.has_perm("members.view_pointlot"):
        raise PermissionDenied
    if request.method == "POST":
        return _release(request)
    lots = (
        PointLot.objects.filter(remaining__gt=0)
        .exclude(waits_for="")
        .select_related("account__member", "account__currency")
        .order_by("earned_at", "pk")[:LOTS_SHOWN]
    )
    context = {
        **site.each_context(request),
        "title": _("Points that wait"),
        "lots": lots,
        "may_release": request.user.has_perm(RELEASE),
    }
    return TemplateResponse(request, "admin/operations/waiting.html", context)


def _release(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(RELEASE):
        raise PermissionDenied
    chosen = [int(each) for each in request.POST.getlist("lot") if each.isdecimal()]
    try:
        points = waiting.release_lots(
            lot_ids=chosen[:LOTS_SHOWN],
            moment=timezone.now(),
            actor=f"staff:{request.user.pk}",
        )
    except waiting.NothingWaits as refusal:
        messages.error(request, f"{refusal.title}. {refusal.remedy}")
    else:
        told = ngettext(
            "%(points)d point is available now.", "%(points)d points are available now.", points
        )
        messages.success(request, told % {"points": points})
    return HttpResponseRedirect(reverse("waiting"))
