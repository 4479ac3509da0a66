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


def refuse_powerful_role() -> None:
    """Refuse to serve in production as a superuser, an owner of tables, or who can become one.

    Such a role could drop the triggers that keep the ledger, so that a hole in the site
    would be a hole in the books.

    :raises SystemExit: the role of ``DATABASE_URL`` may do too much.
    """
    if not settings.IS_PRODUCTION:
        return
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
