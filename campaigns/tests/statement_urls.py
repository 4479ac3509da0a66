"""The addresses that tests of statements need."""

from __future__ import annotations

from django.urls import path

from campaigns.api.statements import MemberEntriesView, MyEntriesView

urlpatterns = [
    path("api/v1/members/<member_id>/entries", MemberEntriesView.as_view()),
    path("api/v1/me/entries", MyEntriesView.as_view()),
]
