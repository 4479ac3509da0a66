#!/usr/bin/env python3
"""The site's commands."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_site.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed here; run .venv/bin/python manage.py after bin/demo")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
