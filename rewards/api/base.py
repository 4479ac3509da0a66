"""What the operations of rewards share: whose points, in which language, under which key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from django.conf import settings
from django.utils import translation

from loyalty_site.lib.languages import lookup, preferred
from loyalty_site.lib.reading import Body, MemberRef, read
from members.api.base import NotAMember
from members.api.keyed import KeyedView
from members.models import Member, Program
from members.queries.lookup import resolve_member

B = TypeVar("B", bound=Body)


class RewardsView(KeyedView):
    """The base of the operations of rewards."""

    def member_of_session(self) -> Member:
        """Return the member who is logged in.

        :raises NotAMember: the login belongs to no member.
        """
        user = self.caller.user
        member = None if user is None else Member.objects.filter(user_id=user.pk).first()
        if member is None:
            raise NotAMember
        return member

    @staticmethod
    def member_meant(program: Program, reference: MemberRef, moment: datetime) -> Member:
        """Return the member whom the body names.

        :raises UnknownMember: there is none.
        """
        return resolve_member(
            program=program, moment=moment, id=reference.id, identifier=reference.identifier
        )

    def body(self, kind: type[B]) -> B:
        """Return the body, which every operation but capture and cancel needs."""
        return read(kind, self.json_body())

    def optional_body(self, kind: type[B]) -> B:
        """Return the body; none at all is one without fields."""
        return read(kind, self.json_body() or b"{}")

    def languages(self, program: Program, member: Member | None = None) -> tuple[str, ...]:
        """Return the languages to tell this caller in, the dearest first."""
        header = self.request.META.get("HTTP_ACCEPT_LANGUAGE", "")
        return preferred(header, member.locale if member else "", program.locale)

    @contextmanager
    def speaking_to(self, program: Program, member: Member | None = None) -> Iterator[None]:
        """Let sentences be told in the language of the product that suits the caller best."""
        known = [code for code, _ in settings.LANGUAGES]
        language = lookup(self.languages(program, member), known) or settings.LANGUAGE_CODE
        with translation.override(language):
            yield
