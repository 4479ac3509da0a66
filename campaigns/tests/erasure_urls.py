"""The addresses that tests of erasure need."""

from __future__ import annotations

from django.urls import include, path

from campaigns.api.erasure import MyErasureView

urlpatterns = [
    path("api/v1/me/erase", MyErasureView.as_view()),
    path("api/v1/", include("members.api_urls")),
]
