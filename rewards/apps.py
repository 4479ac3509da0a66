"""The app's name, for Django."""

from django.apps import AppConfig


class RewardsConfig(AppConfig):
    """Register the app."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "rewards"
