"""The addresses of campaigns below /api/v1/."""

from django.urls import path

from campaigns.api.codes import MyCodesView
from campaigns.api.erasure import MyErasureView
from campaigns.api.events import EventsView
from campaigns.api.missing import MyClaimsView
from campaigns.api.program import ProgramView
from campaigns.api.purchases import (
    ClaimView,
    MyPurchasesView,
    PurchaseBatchView,
    PurchasesView,
    PurchaseView,
)
from campaigns.api.returns import ReturnsView, ReturnView
from campaigns.api.statements import MemberEntriesView, MyEntriesView
from campaigns.api.surveys import MySurveysView, MySurveyView

urlpatterns = [
    path("purchases", PurchasesView.as_view()),
    path("purchases/batch", PurchaseBatchView.as_view()),
    path("purchases/<str:purchase_id>", PurchaseView.as_view()),
    path("purchases/<str:purchase_id>/claim", ClaimView.as_view()),
    path("returns", ReturnsView.as_view()),
    path("returns/<str:return_id>", ReturnView.as_view()),
    path("events", EventsView.as_view()),
    path("members/<str:member_id>/entries", MemberEntriesView.as_view()),
    path("me/claims", MyClaimsView.as_view()),
    path("me/codes", MyCodesView.as_view()),
    path("me/surveys", MySurveysView.as_view()),
    path("me/surveys/<str:code>", MySurveyView.as_view()),
    path("me/erase", MyErasureView.as_view()),
    path("me/entries", MyEntriesView.as_view()),
    path("me/purchases", MyPurchasesView.as_view()),
    path("program", ProgramView.as_view()),
]
