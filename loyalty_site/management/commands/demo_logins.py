"""The demo's three logins: made once, kept beside its secrets, printed as JSON."""

from __future__ import annotations

import json
import os
import secrets
from argparse import ArgumentParser
from io import StringIO
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from loyalty_site.lib.auth import SCOPES
from members.models import Identifier, Member, Program, User

STAFF_EMAIL = "staff@example.com"
CLIENT_NAME = "Demo till"


class Command(BaseCommand):
    """Makes a member's, a staff and a client's login; a repeat prints the same ones."""

    help = "Print the demo's logins as JSON; only where the site runs on its own servers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing, keep it, and print it."""
        if settings.IS_PRODUCTION:
            raise CommandError("logins with printed passwords are for the demo only")
        path = Path(settings.VAR_DIR) / "demo-logins.json"
        kept = _kept(path)
        logins = {
            "member": _member(kept.get("member")),
            "staff": _staff(kept.get("staff")),
            "client": _client(kept.get("client")),
            "currency": program.currency if (program := Program.objects.first()) else None,
        }
        text = json.dumps(logins)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        self.stdout.write(text if options["json"] else json.dumps(logins, indent=2))


def _kept(path: Path) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return kept


def _password(kept: dict[str, Any] | None) -> str:
    # Four groups are easy to copy by hand and hard to guess.
    return kept["password"] if kept else "-".join(secrets.token_hex(2) for _ in range(4))


def _staff(kept: dict[str, Any] | None) -> dict[str, str]:
    password = _password(kept)
    user = User.objects.filter(email=STAFF_EMAIL).first()
    if user is None:
        user = User.objects.create_superuser(STAFF_EMAIL, password)
    _admit(user, password)
    return {"email": STAFF_EMAIL, "password": password}


@transaction.atomic
def _member(kept: dict[str, Any] | None) -> dict[str, str] | None:
    """Give the first member who was loaded a login by their address, as staff could."""
    address = (
        Identifier.objects.filter(kind=Identifier.Kind.EMAIL, member__status=Member.Status.ACTIVE)
        .select_related("member__user")
        .order_by("member_id", "pk")
        .first()
    )
    if address is None:
        return None
    member, password = address.member, _password(kept)
    if member.user is None:
        member.user = User.objects.create_user(address.value, password)
        member.save(update_fields=["user"])
        address.verified_at = timezone.now()
        address.save(update_fields=["verified_at"])
    _admit(member.user, password)
    return {"email": member.user.email, "password": password, "identifier": member.number}


def _admit(user: User, password: str) -> None:
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    EmailAddress.objects.get_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )


def _client(kept: dict[str, Any] | None) -> dict[str, str]:
    if kept and Client.objects.filter(pk=kept["client_id"]).exists():
        return {name: kept[name] for name in ("client_id", "client_secret")}
    printed = StringIO()
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    call_command("create_client", CLIENT_NAME, *scopes, json=True, stdout=printed)
    made: dict[str, str] = json.loads(printed.getvalue())
    return made
