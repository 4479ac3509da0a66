"""The entry point of the web processes."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_site.settings")

application = get_wsgi_application()

from loyalty_site.boot import refuse_powerful_role  # noqa: E402 - needs the apps to be ready

refuse_powerful_role()
