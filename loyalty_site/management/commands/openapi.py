"""Write the OpenAPI document that is kept under version control, or compare with it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from loyalty_site.views_schema import site_document

DEFAULT_PATH = Path("docs", "api", "openapi.json")


class Command(BaseCommand):
    """Keep docs/api/openapi.json equal to what the site answers."""

    help = "Write docs/api/openapi.json, or with --check fail when it differs."
    # The document follows from the code alone.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="compare, write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(settings.BASE_DIR) / DEFAULT_PATH
        text = json.dumps(site_document(), indent=2, ensure_ascii=False) + "\n"
        if not options["check"]:
            path.write_text(text)
            self.stdout.write(f"{DEFAULT_PATH} is written.")
        elif not path.exists() or path.read_text() != text:
            raise CommandError(f"{DEFAULT_PATH} differs; run `manage.py openapi` and commit it.")
