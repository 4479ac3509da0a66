"""What is checked before the site serves."""

from __future__ import annotations

from django.conf import settings
from django.db import OperationalError, connection

from loyalty_site import env

POWERS = """
SELECT current_user,
       role.rolsuper,
       EXISTS (
         SELECT FROM pg_class AS relation
         JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
         WHERE namespace.nspname = 'public' AND relation.relkind IN ('r', 'p')
           AND pg_has_role(current_user, relation.relowner, 'MEMBER')
       )
FROM pg_roles AS role WHERE role.rolname = current_user
"""


def check() -> None:
    """Refuse to serve in production what is not ready or not safe to be served.

    :raises SystemExit: with one line that says what to do.
    """
    if not settings.IS_PRODUCTION:
        return
    if not settings.STATIC_ROOT.is_dir():
        env.refuse(f"there are no static files in {settings.STATIC_ROOT}; run bin/serve prepare")
    _refuse_powerful_role()


def _refuse_powerful_role() -> None:
    """Refuse a superuser, an owner of tables, and whoever can become one.

    Such a role could drop the triggers that keep the ledger, so that a hole in the site
    would be a hole in the books.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(POWERS)
            role, is_superuser, is_owner = cursor.fetchone()
    except OperationalError as error:
        env.refuse(f"the database of DATABASE_URL does not answer: {str(error).splitlines()[0]}")
    connection.close()
    if is_superuser or is_owner:
        power = "is a superuser" if is_superuser else "owns the tables or can become their owner"
        env.refuse(
            f"DATABASE_URL logs in as {role}, which {power};"
            " serve as a role made by deploy/roles.sql instead"
        )
