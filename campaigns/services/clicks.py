"""Links that the program signs: the member's own click on one tells of an event.

A link names its member, the type of event and where it leads; who changes a letter of it has no
link any more. It counts once, and the type's limit says how many links of a kind count in a period.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.core import signing
from django.utils.http import base36_to_int, int_to_base36

from campaigns.bodies import EventBody
from campaigns.services.events import process_click
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.reading import MemberRef
from members.models import Member

SALT: Final = "campaigns.click"
SOURCE: Final = "click"
VALID_DAYS: Final = 90
ADDRESS_MAX: Final = 500


class LinkUnusable(DomainError):
    """The link is none of the program's, or it is too old."""

    code = "link_unusable"
    status = 404
    title = "This link does not work"
    cause = "It was changed on its way, or its time is over."
    remedy = "Look for a newer one in your messages."


class AddressUnsuitable(DomainError):
    """A link leads to a page of the web, over a secure connection."""

    code = "address_unsuitable"
    status = 422
    title = "A link cannot lead there"
    cause = "Only addresses that begin with https:// and name a host are led to."
    remedy = "Write the whole address of the page."


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says; ``name`` is its own, by which it counts once."""

    member: UUID
    type: str
    address: str
    name: str

    @property
    def host(self) -> str:
        """Return where it leads, in short."""
        return urlsplit(self.address).hostname or ""


def make(*, member: Member, type_: str, address: str, moment: datetime) -> str:
    """Return the token of a link for the member, good for 90 days; the same one for a repeat.

    :raises AddressUnsuitable: the address is no https one.
    """
    found = urlsplit(address)
    if found.scheme != "https" or not found.hostname or len(address) > ADDRESS_MAX:
        raise AddressUnsuitable
    told = [str(member.public_id), type_, address, int_to_base36(int(moment.timestamp()))]
    return signing.dumps(told, salt=SALT)


def opened(*, token: str, moment: datetime) -> Link:
    """Return what the link says.

    :raises LinkUnusable: it was not signed here, or is older than 90 days.
    """
    try:
        public_id, type_, address, made = signing.loads(token, salt=SALT)
        made_at = datetime.fromtimestamp(base36_to_int(made), moment.tzinfo)
    except (signing.BadSignature, ValueError, TypeError):
        raise LinkUnusable from None
    if moment >= made_at + timedelta(days=VALID_DAYS):
        raise LinkUnusable
    name = hashlib.sha256(token.encode()).hexdigest()[:32]
    return Link(UUID(public_id), type_, address, name)


def follow(*, link: Link, moment: datetime) -> bool:
    """Tell of the click, and give what the rules say; False where the link counted before.

    :raises LinkUnusable: its member is gone.
    """
    if not Member.objects.filter(public_id=link.member).exclude(status="erased").exists():
        raise LinkUnusable
    body = EventBody(
        type=link.type,
        member=MemberRef(id=link.member),
        source=SOURCE,
        external_id=link.name,
        occurred_at=moment,
        payload={},
    )
    return process_click(body=body, moment=moment)
