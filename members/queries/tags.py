"""The tags that members carry."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from members.models import Member, MemberTag


def tags_of(*, member: Member, moment: datetime) -> QuerySet[MemberTag]:
    """Return the tags that the member has at the moment, also of rows that went into theirs."""
    lasting = Q(expires_at__isnull=True) | Q(expires_at__gt=moment)
    return MemberTag.objects.filter(lasting, member_id__in=member.rows).order_by("tag", "pk")
