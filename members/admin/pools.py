"""Pools in the admin: staff read who is in them and what they hold, and change nothing."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from loyalty_site.lib.admin import BooksAdmin
from members.models import LedgerAccount, Pool, PoolInvite, PoolMembership


@admin.register(Pool)
class PoolAdmin(BooksAdmin[Pool]):
    """Households and companies that hold points together."""

    list_display = ("public_id", "kind", "points", "currency", "founded_at", "closed_at")
    list_filter = ("kind", ("closed_at", admin.EmptyFieldListFilter))
    list_select_related = ("currency", "program", "holder")
    search_fields = ("public_id__exact", "memberships__member__number__exact")
    search_help_text = gettext_lazy("The id of a pool, or the whole number of somebody in it.")
    ordering = ("-founded_at", "-pk")

    @admin.display(description=gettext_lazy("available points"))
    def points(self, pool: Pool) -> int:
        """Return what was posted as available."""
        return next((account.balance for account in pool.holder.accounts.all()), 0)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pool]:
        """Read the balances of the page's pools with one query."""
        accounts = LedgerAccount.objects.filter(kind="available", currency__kind="redeemable")
        return (
            super()
            .get_queryset(request)
            .prefetch_related(
                Prefetch("holder__accounts", accounts.order_by("currency__position", "pk"))
            )
        )


@admin.register(PoolMembership)
class PoolMembershipAdmin(BooksAdmin[PoolMembership]):
    """Who is in a pool, and who was."""

    list_display = ("member", "pool", "role", "share_pct", "joined_at", "left_at", "ending")
    list_filter = ("role", "ending", ("left_at", admin.EmptyFieldListFilter))
    list_select_related = ("member", "pool")
    search_fields = ("member__number__exact", "pool__public_id__exact")
    search_help_text = gettext_lazy("A whole member number, or the id of a pool.")
    ordering = ("-joined_at", "-pk")


@admin.register(PoolInvite)
class PoolInviteAdmin(BooksAdmin[PoolInvite]):
    """Invitations into pools; their codes are known to nobody but who got them."""

    list_display = ("pool", "role", "made_at", "expires_at", "used_at")
    list_filter = ("role", ("used_at", admin.EmptyFieldListFilter))
    list_select_related = ("pool",)
    search_fields = ("pool__public_id__exact",)
    search_help_text = gettext_lazy("The id of a pool.")
    exclude = ("digest",)
    ordering = ("-made_at", "-pk")
