"""The addresses of the API about members, below ``/api/v1/``."""

from __future__ import annotations

from django.urls import path

from members.api import exports, me, members, proofs, transfers

urlpatterns = [
    path("members", members.MemberListView.as_view()),
    path("members/<member_id>", members.MemberView.as_view()),
    path("members/<member_id>/balance", members.MemberBalanceView.as_view()),
    path("members/<member_id>/tier", members.MemberTierView.as_view()),
    path("me", me.MeView.as_view()),
    path("me/entries/<entry_id>/proof", proofs.MyEntryProofView.as_view()),
    path("me/balance", me.MyBalanceView.as_view()),
    path("me/tier", me.MyTierView.as_view()),
    path("me/card", me.MyCardView.as_view()),
    path("me/consents", me.MyConsentsView.as_view()),
    path("me/messages", me.MyMessagesView.as_view()),
    path("me/messages/<message_id>/read", me.MyMessageReadView.as_view()),
    path("me/transfers", transfers.MyTransfersView.as_view()),
    path("me/transfers/quote", transfers.MyTransferQuoteView.as_view()),
    path("me/transfers/<transfer_id>/cancel", transfers.MyTransferCancelView.as_view()),
    path("me/export", exports.MyExportsView.as_view()),
    path("me/export/<export_id>", exports.MyExportView.as_view()),
    path("me/export/<export_id>/file", exports.ExportFileView.as_view()),
]
