"""Sign links whose click tells of an event."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils import timezone

from campaigns.services import clicks
from loyalty_site.lib.errors import DomainError
from members.models import Member


class Command(BaseCommand):
    """Print one link for each member number, for a letter or a message."""

    help = "Print a signed link for each member; the member's click on it tells of the event."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the type, the address and the members."""
        parser.add_argument("type", help="type of the event that the click tells of")
        parser.add_argument("address", help="where the link leads, beginning with https://")
        parser.add_argument("numbers", nargs="+", metavar="NUMBER", help="member numbers")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print number and link, separated by a tab."""
        moment = timezone.now()
        for number in options["numbers"]:
            member = Member.objects.filter(number="".join(number.split())).first()
            if member is None:
                raise CommandError(f"No member has the number {number}.")
            try:
                token = clicks.make(
                    member=member, type_=options["type"], address=options["address"], moment=moment
                )
            except DomainError as refusal:
                raise CommandError(refusal.detail) from refusal
            link = f"{settings.BASE_URL}{reverse('click', args=[token])}"
            self.stdout.write(f"{member.number}\t{link}")
