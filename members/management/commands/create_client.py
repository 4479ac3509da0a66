"""Let a till, shop or partner call the API."""

from __future__ import annotations

import json
import secrets
from argparse import ArgumentParser
from typing import Any

from allauth.idp.oidc.models import Client
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from loyalty_site.lib.auth import SCOPES
from members.models import ApiClient, Program

NAME_LENGTH_MAX = 100


class Command(BaseCommand):
    """Create an OAuth2 client and print its secret, which is shown only this once."""

    help = "Create a client of the API and print its id and secret, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what staff will know the client by")
        parser.add_argument(
            "--scope",
            nargs="+",
            action="extend",
            required=True,
            metavar="SCOPE",
            help=f"what the client may do: {', '.join(SCOPES)}",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        name, scopes = options["name"].strip(), list(dict.fromkeys(options["scope"]))
        if not 1 <= len(name) <= NAME_LENGTH_MAX:
            raise CommandError(f"The name must have 1 to {NAME_LENGTH_MAX} characters.")
        if unknown := [scope for scope in scopes if scope not in SCOPES]:
            raise CommandError(
                f"Unknown scope: {', '.join(unknown)}. Known are: {', '.join(SCOPES)}."
            )
        # No character in it needs escaping in a header, a form or a shell.
        secret = secrets.token_urlsafe(36)
        client = self._create(name, scopes, secret)
        shown = {"client_id": client.pk, "client_secret": secret}
        if options["json"]:
            self.stdout.write(json.dumps(shown))
            return
        for key, value in shown.items():
            self.stdout.write(f"{key}: {value}")
        self.stdout.write("The secret is not stored and cannot be shown again.")

    @staticmethod
    @transaction.atomic
    def _create(name: str, scopes: list[str], secret: str) -> Client:
        client = Client(
            name=name,
            type=Client.Type.CONFIDENTIAL,
            grant_types=Client.GrantType.CLIENT_CREDENTIALS,
            response_types="",
        )
        client.set_scopes(scopes)
        # A token request that names no scope gets all that the client has.
        client.set_default_scopes(scopes)
        client.set_secret(secret)
        client.save()
        ApiClient.objects.create(
            program=Program.objects.order_by("pk").first(),
            client=client,
            name=name,
            created_at=timezone.now(),
        )
        return client
