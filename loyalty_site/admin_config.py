"""Tell Django which admin the site has."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class LoyaltyAdminConfig(AdminConfig):
    """The admin with the theme and with the rule about second factors."""

    default_site = "loyalty_site.admin_site.Site"
