"""Seal what was posted in a chain and a tree of hashes, beside the books."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"

# The order of sealing. New rows come last in it, which is the cheapest place of an index, and
# nothing that is written later can be missed by it.
ORDER = """
CREATE INDEX members_ledgertransaction_sealing
  ON public.members_ledgertransaction (epoch, xid, id);
"""
RULES = """
ALTER TABLE public.members_ledgerseal
  ADD CONSTRAINT members_ledgerseal_hashes
    CHECK (octet_length(leaf_hash) = 32 AND octet_length(chain_hash) = 32);
ALTER TABLE public.members_ledgernode
  ADD CONSTRAINT members_ledgernode_hash CHECK (octet_length(hash) = 32);
ALTER TABLE public.members_ledgercheckpoint
  ADD CONSTRAINT members_ledgercheckpoint_lengths
    CHECK (octet_length(root) = 32 AND octet_length(chain_head) = 32
      AND octet_length(signature) = 64 AND octet_length(public_key) = 32);
CREATE TRIGGER followed AFTER INSERT ON public.members_ledgerseal
  REFERENCING NEW TABLE AS newrows EXECUTE FUNCTION public.ledger_seals_followed();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.members_ledgerseal EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.members_ledgernode EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.members_ledgercheckpoint EXECUTE FUNCTION public.refuse_change();
"""


class Migration(migrations.Migration):
    """Create the tables, their rules, and the functions that seal."""

    dependencies = [("members", "0017_transfers")]

    operations = [
        migrations.CreateModel(
            name="LedgerSeal",
            fields=[
                (
                    "sequence",
                    models.BigIntegerField(
                        db_comment="From 1, without gaps; the leaf's index in the tree plus 1.",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "leaf_hash",
                    models.BinaryField(db_comment="SHA-256 of 0x00 and the canonical bytes."),
                ),
                (
                    "chain_hash",
                    models.BinaryField(
                        db_comment="SHA-256 of the chain hash before and the leaf's."
                    ),
                ),
                (
                    "transaction",
                    models.OneToOneField(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="seal",
                        to="members.ledgertransaction",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("sequence__gte", 1)), name="members_ledgerseal_sequence"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerNode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("height", models.PositiveSmallIntegerField()),
                (
                    "position",
                    models.BigIntegerField(db_comment="Which part of this height, from 0."),
                ),
                ("hash", models.BinaryField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("height", "position"), name="members_ledgernode_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerCheckpoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "tree_size",
                    models.BigIntegerField(db_comment="Seals that it covers.", unique=True),
                ),
                (
                    "root",
                    models.BinaryField(
                        db_comment="Root of the Merkle tree over the leaves (RFC 6962)."
                    ),
                ),
                (
                    "chain_head",
                    models.BinaryField(db_comment="Chain hash of the last seal that it covers."),
                ),
                (
                    "signature",
                    models.BinaryField(db_comment="Ed25519 over the canonical bytes of the body."),
                ),
                (
                    "public_key",
                    models.BinaryField(db_comment="The key that the signature is checked with."),
                ),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("tree_size__gte", 1)),
                        name="members_ledgercheckpoint_size",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SealingState",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "caught_up_at",
                    models.DateTimeField(
                        blank=True,
                        db_comment="When nothing was left to seal for the last time.",
                        null=True,
                    ),
                ),
                (
                    "oldest_xid",
                    models.BigIntegerField(
                        db_comment="Oldest database transaction that could still write.", default=0
                    ),
                ),
                (
                    "oldest_since",
                    models.DateTimeField(
                        blank=True,
                        db_comment="Since when it is the oldest; null when there was none.",
                        null=True,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(models.Value(1), name="members_sealingstate_single")
                ],
            },
        ),
        migrations.RunSQL(
            ORDER, reverse_sql="DROP INDEX public.members_ledgertransaction_sealing;"
        ),
        # A function may name columns of a later migration.
        migrations.RunSQL("SET LOCAL check_function_bodies = off;", reverse_sql=""),
        run_sql_file(SQL / "proof.sql"),
        migrations.RunSQL(RULES, reverse_sql=""),
    ]
