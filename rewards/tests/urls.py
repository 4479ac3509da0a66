"""The addresses of this app alone, for its tests."""

from django.urls import include, path

urlpatterns = [path("api/v1/", include("rewards.api_urls"))]
