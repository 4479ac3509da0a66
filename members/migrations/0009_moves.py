"""Let points move between members, and count what partners, causes and buyers are behind."""

import django.db.models.deletion
from django.db import migrations, models

# A column's type cannot change while a trigger names it.
UNGUARD = "DROP TRIGGER moved_by_entries ON public.members_ledgeraccount;"
GUARD = """
CREATE TRIGGER moved_by_entries BEFORE UPDATE OF id, program_id, currency_id, currency_kind,
    kind, member_id, keeps_balance, keeps_lots, ceiling, balance
  ON public.members_ledgeraccount
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.refuse_change();
"""
# The function that judges a new account comes with its file, after the migrations, so that the
# accounts of currencies that are there already are opened without it.
OPEN = """
DO $$
BEGIN
  IF EXISTS (SELECT FROM public.members_pointcurrency) THEN
    ALTER TABLE public.members_ledgeraccount DISABLE TRIGGER born;
    INSERT INTO public.members_ledgeraccount (program_id, currency_id, currency_kind, kind,
        floor, balance, keeps_balance, keeps_lots)
      SELECT c.program_id, c.id, c.kind, k.kind, 0, 0, false, false
      FROM public.members_pointcurrency c
      CROSS JOIN unnest(ARRAY['moved', 'fees', 'donated', 'sold']) k(kind)
      ORDER BY c.id, k.kind;
    -- Keys that wait for the commit would forbid to alter the table.
    SET CONSTRAINTS ALL IMMEDIATE;
    ALTER TABLE public.members_ledgeraccount ENABLE TRIGGER born;
  END IF;
END $$;
"""


class Migration(migrations.Migration):
    """Add the counterpart of a transaction and the program's further accounts."""

    dependencies = [("members", "0008_balances")]

    operations = [
        migrations.AddField(
            model_name="ledgertransaction",
            name="counterpart",
            field=models.ForeignKey(
                blank=True,
                db_comment="The transaction of another member that the points come from.",
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="members.ledgertransaction",
            ),
        ),
        migrations.RunSQL(UNGUARD, reverse_sql=GUARD),
        migrations.AlterField(
            model_name="ledgeraccount",
            name="kind",
            field=models.CharField(
                choices=[
                    ("available", "Available"),
                    ("pending", "Pending"),
                    ("held", "Held"),
                    ("debt", "Debt"),
                    ("issued", "Issued"),
                    ("redeemed", "Redeemed"),
                    ("expired", "Expired"),
                    ("adjusted", "Adjusted"),
                    ("moved", "Moved"),
                    ("fees", "Fees"),
                    ("donated", "Donated"),
                    ("sold", "Sold"),
                ],
                max_length=80,
            ),
        ),
        migrations.RunSQL(GUARD, reverse_sql=UNGUARD),
        migrations.AddConstraint(
            model_name="ledgertransaction",
            constraint=models.UniqueConstraint(
                condition=models.Q(("counterpart__isnull", False)),
                fields=("counterpart",),
                name="members_ledgertransaction_one_arrival",
            ),
        ),
        migrations.RunSQL(OPEN, reverse_sql=migrations.RunSQL.noop),
    ]
