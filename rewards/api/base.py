"""What the operations of rewards share: whose points, in which language, under which key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpResponse
from django.utils import translation

from loyalty_site.lib import problems
from loyalty_site.lib.drf import ApiView, answer
from loyalty_site.lib.languages import lookup, preferred
from loyalty_site.lib.reading import Body, MemberRef, read
from members.api.base import NotAMember
from members.models import Member, Program
from members.queries.lookup import resolve_member
from members.services import idempotency

B = TypeVar("B", bound=Body)


class RewardsView(ApiView):
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

    def once(self, act: Callable[[], idempotency.Outcome], *, moment: datetime) -> HttpResponse:
        """Return the answer of ``act``, or the one kept under the request's key.

        ``act`` reads the body itself: a repeat gets its answer before the body is judged.
        """
        request = self.request._request
        found = idempotency.run(
            caller=self.caller.key,
            key=self.idempotency_key(),
            fingerprint=self.fingerprint(),
            moment=moment,
            act=act,
            request_id=problems.request_id_of(request),
        )
        return _respond(found)


def _respond(found: idempotency.Answer) -> HttpResponse:
    headers: dict[str, Any] = {"Idempotent-Replayed": "true"} if found.replayed else {}
    response = answer(found.body, found.status, headers)
    if found.status >= 400:
        response["Content-Type"] = problems.MEDIA_TYPE
        # The request log reads the code from here.
        response.data = found.body  # type: ignore[attr-defined]
    return response
