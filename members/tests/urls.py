"""The addresses that tests of members need."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("members.api_urls")),
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
]
