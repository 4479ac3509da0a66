"""The addresses of rewards, redemptions and vouchers below `/api/v1/`."""

from __future__ import annotations

from django.urls import path

from rewards.api import redemptions, rewards, vouchers

urlpatterns = [
    path("rewards", rewards.RewardList.as_view()),
    path("redemptions", redemptions.RedemptionList.as_view()),
    path("redemptions/quote", redemptions.Quote.as_view()),
    path("redemptions/<str:redemption_id>", redemptions.RedemptionDetail.as_view()),
    path("redemptions/<str:redemption_id>/capture", redemptions.Capture.as_view()),
    path("redemptions/<str:redemption_id>/cancel", redemptions.Cancel.as_view()),
    path("vouchers/lookup", vouchers.Lookup.as_view()),
    path("vouchers/use", vouchers.Use.as_view()),
    path("me/rewards", rewards.OwnRewardList.as_view()),
    path("me/redemptions", redemptions.OwnRedemptionList.as_view()),
    path("me/redemptions/quote", redemptions.OwnQuote.as_view()),
    path("me/redemptions/<str:redemption_id>", redemptions.OwnRedemptionDetail.as_view()),
    path("me/redemptions/<str:redemption_id>/cancel", redemptions.OwnCancel.as_view()),
]
