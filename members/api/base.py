"""What the operations about members share: finding the member, and answering about them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse

from loyalty_site.lib import languages, query
from loyalty_site.lib.drf import ApiView, answer
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.etags import etag_of, is_fresh
from loyalty_site.lib.problems import NotFound
from loyalty_site.lib.wire import dumps
from members import presenters
from members.models import Member
from members.queries.balances import Balance, balance_as_of, balance_now
from members.queries.people import member_view
from members.queries.tiers import tier_reading


class NotAMember(DomainError):
    """The login belongs to nobody who takes part."""

    code = "not_a_member"
    status = 404
    title = "This login is not a member's"
    cause = "The login is of staff, or was never joined to a membership."
    remedy = "Log in with the address that the membership was verified with."


class MembersView(ApiView):
    """The base of the operations about members."""

    def member_of_path(self, member_id: str) -> Member:
        """Return the member whom the address names.

        :raises NotFound: there is none.
        """
        member = (
            Member.objects.filter(public_id=query.path_id(member_id)).exclude(status="pool").first()
        )
        if member is None:
            raise NotFound
        return member

    def me(self) -> Member:
        """Return the member who is logged in.

        :raises NotAMember: the login belongs to no member.
        """
        user = self.caller.user
        member = Member.objects.filter(user_id=user.pk).first() if user is not None else None
        if member is None:
            raise NotAMember
        return member

    def body_of(self, member: Member, moment: datetime) -> dict[str, Any]:
        """Return the member as the API shows them, in the caller's language."""
        view = member_view(member.pk, moment)
        return presenters.member_body(view, self.languages(view.locale, view.program_locale))

    def languages(self, *fallbacks: str) -> tuple[str, ...]:
        """Return the languages to answer in, the dearest first."""
        return languages.preferred(self.request.META.get("HTTP_ACCEPT_LANGUAGE", ""), *fallbacks)

    def balance_answer(self, balance: Balance, *, is_dated: bool) -> HttpResponse:
        """Return a balance; the moment of reading is no part of its version."""
        data = presenters.balance_body(balance)
        versioned = data if is_dated else {**data, "as_of": None}
        etag = etag_of(dumps(versioned))
        if is_fresh(self.request._request, etag):
            return HttpResponse(status=304, headers={"ETag": etag})
        return answer(data, headers={"ETag": etag})

    def read_balance(self, member: Any, moment: datetime) -> HttpResponse:
        """Return the balance that the query asks for, of the member with this public id."""
        request = self.request._request
        currency = query.text(request, "currency", length_max=64)
        as_of, known_at = query.instant(request, "as_of"), query.instant(request, "known_at")
        if as_of is not None and as_of > moment:
            raise query.refused("as_of", "in_the_future", "The instant lies in the future.")
        is_dated = as_of is not None or known_at is not None
        if is_dated:
            found = balance_as_of(
                member=member,
                as_of=as_of or moment,
                known_at=known_at or moment,
                currency=currency,
            )
        else:
            found = balance_now(member=member, moment=moment, currency=currency)
        if found is None:
            raise NotFound
        return self.balance_answer(found, is_dated=is_dated)

    def read_tier(self, member: Member, moment: datetime) -> HttpResponse:
        """Return where a member stands."""
        program = member.program
        reading = tier_reading(program=program, member_id=member.pk, moment=moment)
        spoken = self.languages(member.locale, program.locale)
        return self.resource(presenters.tier_body(reading, spoken))
