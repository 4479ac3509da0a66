"""The entry point of the web processes."""

from __future__ import annotations

import os

import django
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_site.settings")
django.setup()

from loyalty_site import boot  # noqa: E402 - reads the settings, which are there only now

boot.check()
application = get_wsgi_application()
