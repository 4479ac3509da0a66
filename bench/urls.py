"""The site's addresses and an empty view behind the same middleware."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from loyalty_site import urls as site

handler400, handler403 = site.handler400, site.handler403
handler404, handler500 = site.handler404, site.handler500


def empty(_request: HttpRequest) -> HttpResponse:
    """Answer nothing."""
    return HttpResponse(b"", content_type="application/json")


urlpatterns = [path("bench/empty", empty), *site.urlpatterns]
