"""The addresses of the API about members, below ``/api/v1/``."""

from __future__ import annotations

from django.urls import path

from members.api import exports, me, members, pools, proofs, transfers

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
    path("me/pool", pools.MyPoolView.as_view()),
    path("me/pool/invitations", pools.MyPoolInvitationsView.as_view()),
    path("me/pool/join", pools.MyPoolJoinView.as_view()),
    path("me/pool/contributions", pools.MyPoolContributionsView.as_view()),
    path("me/pool/leave", pools.MyPoolLeaveView.as_view()),
    path("me/pool/members/<member_id>/remove", pools.MyPoolMemberRemoveView.as_view()),
    path("me/export", exports.MyExportsView.as_view()),
    path("me/export/<export_id>", exports.MyExportView.as_view()),
    path("me/export/<export_id>/file", exports.ExportFileView.as_view()),
]
