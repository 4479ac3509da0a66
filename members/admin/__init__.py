"""The pages of members in the admin; the page of one member joins the apps and stands above."""

from members.admin import (  # noqa: F401 - importing them registers them
    attributes,
    commerce,
    integration,
    ledger,
    partners,
    people,
    pools,
    program,
    segments,
    standing,
    tiers,
    transfers,
    users,
)
