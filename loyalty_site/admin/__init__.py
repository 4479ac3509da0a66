"""What joins the apps in the admin: the dashboard, a member's page, and pages of packages."""

from loyalty_site.admin import (  # noqa: F401 - importing them registers them
    access,
    approvals,
    batches,
    campaigning,
    drafting,
    members,
    merging,
    orders,
    rehearsals,
    reports,
    schedules,
    scoring,
    segments,
)
