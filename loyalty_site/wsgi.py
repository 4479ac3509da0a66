"""The entry point of the web processes."""

from __future__ import annotations

import gc
import os

import django
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_site.settings")
django.setup()

from loyalty_site import boot  # noqa: E402 - reads the settings, which are there only now

boot.check()
application = get_wsgi_application()

# What the program consists of stays for as long as the process: the collector, which would look
# through all of it again while a batch is made, need not.
gc.collect()
gc.freeze()
