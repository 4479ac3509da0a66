"""The attacks on the books by name, and what is accepted when it is done honestly."""

from __future__ import annotations

from members.tests import books as ledger
from members.tests.attacks import (
    Attack,
    check_early,
    claw,
    copy_in,
    e,
    earn,
    empty_hold,
    enter,
    expire,
    head,
    hold,
    in_one_statement,
    in_snapshot,
    lapse,
    loot_hold,
    lot,
    merge_in,
    other_claw,
    refresh_lot,
    release,
    run,
    shadow,
    shadow_accounts,
    shuffle_other,
    spend,
    split_hold,
    steal_use,
    swap_in_release,
    swap_in_reversal,
    swap_lots,
    twice,
    use,
)
from members.tests.books import DAY, NOON, scalar
from members.tests.part_attacks import PART_ATTACKS, PART_HONEST
from members.tests.seal_attacks import SEAL_ATTACKS

ATTACKS: dict[str, Attack] = {
    # Entries and headers
    "an unbalanced pair": e(("available", 5), ("issued", -4), points=5),
    "a single entry": e(("available", 5), points=5),
    "a header without entries": head,
    "late entries to an old header": lambda x, s: enter(
        x, s, s.earned, (s.books.issued, 9), (s.books.issued, -9), start=10
    ),
    "late entries to a header of the same transaction": lambda x, s: enter(
        x,
        s,
        earn(x, s, (s.holder.available, 1), (s.books.issued, -1), points=1),
        *((s.books.issued, -7), (s.books.redeemed, 7)),
        start=3,
    ),
    "a header after the deferred checks": check_early,
    "a lot to an old header": lambda x, s: lot(x, s.earned, s.holder.available, 50),
    "a lot use to an old header": lambda x, s: use(x, s.earned, s.lot, 5),
    "a use of an unknown lot": lambda x, s: use(x, head(x, s, "redeem"), 999_999_999, 5),
    "entries without a header": lambda x, s: enter(
        x, s, 999_999_999, (s.holder.status, 7), (s.books.status_issued, -7)
    ),
    "a lot after the entries": lambda x, s: lot(
        x,
        earn(x, s, (s.holder.available, 1), (s.books.issued, -1), points=1),
        *(s.holder.available, 50),
        available_at=NOON + DAY,
    ),
    "a lot beside the entries in one statement": in_one_statement,
    "an overdraft": lambda x, s: enter(
        x,
        s,
        head(x, s, "adjust_debit", currency_id=s.books.status),
        *((s.holder.status, -5), (s.books.status_adjusted, 5)),
        currency=s.books.status,
    ),
    "a debit of more than its lot use": lambda x, s: spend(x, s, 50, 40),
    "more than the lot has": lambda x, s: spend(x, s, 101, 101),
    "an earn without a lot": e(("available", 5), ("issued", -5)),
    "a lot without points": e(("issued", -5), ("debt", 5), points=5),
    "a debit without a lot use": lambda x, s: enter(
        x, s, head(x, s, "redeem"), (s.holder.available, -5), (s.books.redeemed, 5)
    ),
    "a lot of another member": lambda x, s: lot(x, head(x, s), s.other.available, 5),
    "a lot that starts half used": lambda x, s: lot(
        x, head(x, s), s.holder.available, 5, remaining=3
    ),
    "a lot that was earned before its header": lambda x, s: lot(
        x, head(x, s), s.holder.available, 5, earned_at=NOON - DAY
    ),
    "a lot that ends before it starts": lambda x, s: lot(
        x, head(x, s), s.holder.available, 5, expires_at=NOON
    ),
    "UPDATE of a lot": run("UPDATE members_pointlot SET remaining = 0 WHERE id = %s", "lot"),
    "UPDATE of a lot's end": run(
        "UPDATE members_pointlot SET expires_at = NULL WHERE id = %s", "lot"
    ),
    "an account of another currency": e(("available", 7), ("status_issued", -7), points=7),
    "entries of another currency than the header's": lambda x, s: enter(
        x,
        s,
        head(x, s),
        *((s.holder.status, 7), (s.books.status_issued, -7)),
        currency=s.books.status,
    ),
    "another member's account under the header": lambda x, s: enter(
        x, s, head(x, s), (s.other.status, 7), (s.books.issued, -7)
    ),
    "a gift from one member to another": e(("available", 5), ("other.available", -5), points=5),
    "zero points": e(("issued", 0), ("redeemed", 0)),
    "too many points": e(("available", 2 * 10**12), ("issued", -2 * 10**12), points=2 * 10**12),
    "an unknown account": lambda x, s: earn(x, s, (999_999_999, 1), (s.books.issued, -1)),
    "the business key again": lambda x, s: earn(
        x,
        s,
        *((s.holder.available, 1), (s.books.issued, -1)),
        points=1,
        source="test",
        external_ref=scalar(
            x, "SELECT external_ref FROM members_ledgertransaction WHERE id = %s", s.earned
        ),
    ),
    "an earn against another counter-account": e(("available", 5), ("redeemed", -5), points=5),
    "an earn that takes from the member": e(("available", -5), ("issued", 5)),
    "a type that no act posts": e(("available", 5), ("issued", -5), points=5, type="transfer_in"),
    "points given by hand without an approval": e(
        ("available", 5), ("adjusted", -5), points=5, type="adjust_credit"
    ),
    "an import without an approval": e(("available", 5), ("adjusted", -5), points=5, type="import"),
    "a debt forgiven without an approval": lambda x, s: enter(
        x,
        s,
        head(x, s, "write_off", member_id=s.owing.member),
        *((s.owing.debt, 20), (s.books.adjusted, -20)),
    ),
    "a type that does not exist": e(("available", 5), ("issued", -5), points=5, type="gift"),
    "a forged transaction id": lambda x, s: head(x, s, xid="1"),
    "a forged epoch": lambda x, s: earn(
        *(x, s, (s.holder.available, 1), (s.books.issued, -1)),
        points=1,
        epoch=scalar(x, "SELECT ledger_epoch() + 1"),
    ),
    "an address in the reference": e(
        ("available", 1), ("issued", -1), points=1, external_ref="a@b.example"
    ),
    "an address in the reason": e(
        ("available", 1), ("issued", -1), points=1, reason_code="a@b.example"
    ),
    "a telephone number in the reference": e(
        ("available", 1), ("issued", -1), points=1, external_ref="+49 (170) 123-4567"
    ),
    # Rewriting
    "UPDATE of entries": run("UPDATE members_ledgerentry SET points = points"),
    "DELETE of headers": run("DELETE FROM members_ledgertransaction"),
    "DELETE of entries": run("DELETE FROM members_ledgerentry WHERE false"),
    "DELETE of lot uses": run("DELETE FROM members_lotuse"),
    "DELETE of holds": run("DELETE FROM members_ledgerhold"),
    "DELETE of an account": run("DELETE FROM members_ledgeraccount"),
    "TRUNCATE": run(
        "TRUNCATE members_ledgerentry, members_ledgertransaction, members_lotuse,"
        " members_pointlot CASCADE"
    ),
    "ON CONFLICT DO UPDATE": run(
        "INSERT INTO members_ledgerentry (transaction_id, line, account_id, program_id,"
        " currency_id, points) SELECT transaction_id, line, account_id, program_id, currency_id,"
        " 1000 FROM members_ledgerentry ON CONFLICT (transaction_id, line)"
        " DO UPDATE SET points = excluded.points"
    ),
    "MERGE that updates": run(
        "MERGE INTO members_ledgeraccount a USING (VALUES (%s::bigint)) v(id) ON a.id = v.id"
        " WHEN MATCHED THEN UPDATE SET balance = 1000",
        "holder.available",
    ),
    "MERGE that inserts": merge_in,
    "COPY": copy_in,
    "UPDATE of a balance": run(
        "UPDATE members_ledgeraccount SET balance = 1000000 WHERE id = %s", "holder.available"
    ),
    "UPDATE of an account's currency": run(
        "UPDATE members_ledgeraccount SET currency_id = %s, currency_kind = 'qualifying'"
        " WHERE id = %s",
        *("books.status", "holder.available"),
    ),
    "UPDATE of an account's member": run(
        "UPDATE members_ledgeraccount SET member_id = %s WHERE id = %s",
        *("other.member", "holder.available"),
    ),
    "UPDATE of the header's time stamp": run(
        "UPDATE members_ledgertransaction SET xid = pg_current_xact_id()"
    ),
    # Accounts
    "an account born with a balance": lambda x, s: ledger.open_account(
        x, s.books.program, s.books.status, "pending", s.holder.member, balance=5000
    ),
    "a second account of the same kind": lambda x, s: ledger.open_account(
        x, s.books.program, s.books.points, "available", s.holder.member
    ),
    "a floor below zero on available points": lambda x, s: ledger.open_account(
        x, s.books.program, s.books.status, "held", s.holder.member, floor=-5
    ),
    "a floor lowered on available points": run(
        "UPDATE members_ledgeraccount SET floor = -500 WHERE id = %s", "holder.available"
    ),
    "a debt limit below the debt": run(
        "UPDATE members_ledgeraccount SET floor = 0 WHERE id = %s", "owing.debt"
    ),
    "a program account of a member": lambda x, s: ledger.open_account(
        x, s.books.program, s.books.status, "issued", s.holder.member
    ),
    "a second counter-account": lambda x, s: ledger.open_account(
        x, s.books.program, s.books.points, "issued"
    ),
    # Debt
    "a debt above zero": e(("debt", 5), ("issued", -5)),
    "a loan": e(("available", 5), ("debt", -5), points=5),
    "a debt beyond its limit": lambda x, s: enter(
        x,
        s,
        head(x, s, "adjust_debit"),
        *((s.holder.debt, -501), (s.books.adjusted, 501)),
    ),
    "a redemption while in debt": run(
        "SELECT ledger_debit(%s, %s, 1, 'redeem', 'attack', 'd1', 'x', now(), now())",
        *("owing.member", "books.points"),
    ),
    # Reversals
    "a reversal of more than the original": lambda x, s: claw(x, s, 101, 60),
    "reversals that are too much together": lambda x, s: [
        claw(x, s, 60),
        claw(x, s, 60, 60),
    ],
    "a reversal of the wrong sign": lambda x, s: enter(
        x,
        s,
        head(x, s, "clawback", reverses_id=s.earned),
        *((s.books.issued, -10), (s.holder.debt, 10)),
    ),
    "a reversal on another counter-account": lambda x, s: enter(
        x,
        s,
        head(x, s, "clawback", reverses_id=s.earned),
        *((s.books.adjusted, 10), (s.holder.debt, -10)),
    ),
    "a reversal without an original": lambda x, s: claw(x, s, 10, reverses_id=None),
    "an earn that reverses": e(("available", 1), ("issued", -1), points=1, reverses_id=1),
    "a reversal of a reversal": lambda x, s: claw(x, s, 1, reverses_id=claw(x, s, 5)),
    "a clawback of a redemption": lambda x, s: claw(x, s, 1, reverses_id=s.redeemed),
    "a clawback of another member's earn": other_claw,
    "a reversal in an old snapshot": in_snapshot,
    # Holds
    "a hold ended twice": twice,
    "a captured hold released": lambda x, s: release(x, s, 10, s.captured),
    "a hold ended in part": lambda x, s: release(x, s, 4, s.held),
    "a hold given back to another lot": swap_in_release,
    "held points taken without ending the hold": loot_hold,
    "a hold that holds nothing": empty_hold,
    "a hold in two lines": split_hold,
    "a hold without an end": lambda x, s: spend(x, s, 5, 5, "hold"),
    "a forged hold that lapsed": lapse,
    "UPDATE of a hold": run(
        "UPDATE members_ledgerhold SET is_open = true WHERE transaction_id = %s", "captured"
    ),
    "the end of a hold of another member": lambda x, s: enter(
        x,
        s,
        head(x, s, "release", resolves_id=s.held, member_id=s.other.member),
        *((s.other.held, -10), (s.other.debt, 10)),
    ),
    "a capture by the name of an earn": e(("held", -10), ("issued", 10), resolves_id=1),
    # Lots
    "another member's lot as payment": steal_use,
    "another member's lot used for nothing": shuffle_other,
    "points moved to a later lot": swap_lots,
    "points given back to another lot": swap_in_reversal,
    "a new lot out of a debit": refresh_lot,
    "points used before they were earned": lambda x, s: spend(x, s, 5, 5, occurred_at=NOON - DAY),
    "points used after their end": lambda x, s: spend(x, s, 5, 5, occurred_at=NOON + 301 * DAY),
    "points expired before their end": lambda x, s: expire(x, s, 5, NOON),
    # The functions
    "a redemption of more than there is": run(
        "SELECT ledger_debit(%s, %s, 10000, 'redeem', 'attack', 'd2', 'x', now(), now())",
        *("holder.member", "books.points"),
    ),
    "a redemption of fewer than none": run(
        "SELECT ledger_debit(%s, %s, -5, 'redeem', 'attack', 'd3', 'x', now(), now())",
        *("holder.member", "books.points"),
    ),
    "a capture of a hold that has ended": run(
        "SELECT ledger_capture(%s, 'x', now(), now())", "captured"
    ),
    "a redemption given back twice": lambda x, s: [
        ledger.give_back(x, s.redeemed),
        ledger.give_back(x, s.redeemed),
    ],
    # The server
    "triggers off for the session": run("SET session_replication_role = replica"),
    "a table of the same name before the real one": shadow,
    "accounts of the same name before the real ones": shadow_accounts,
    "internal triggers off": run("ALTER TABLE members_ledgerentry DISABLE TRIGGER ALL"),
    "becoming the server's superuser": run("SET ROLE postgres"),
    "making a superuser": run("CREATE ROLE attacker SUPERUSER LOGIN"),
    "a program of the server": run("COPY (SELECT 1) TO PROGRAM 'true'"),
    **PART_ATTACKS,
    **SEAL_ATTACKS,
}
# The owner may change tables by definition; the site may not.
SITE_ONLY: dict[str, Attack] = {
    "triggers off": run("ALTER TABLE members_ledgerentry DISABLE TRIGGER USER"),
    "a column more": run("ALTER TABLE members_ledgerentry ADD COLUMN note text"),
    "a trigger dropped": run("DROP TRIGGER posted ON members_ledgerentry"),
    "a function replaced": run(
        "CREATE OR REPLACE FUNCTION public.ledger_epoch() RETURNS int LANGUAGE sql STABLE RETURN 9"
    ),
    "a new epoch": run("SELECT ledger_new_epoch()"),
    "nodes of its own making": run("SELECT ledger_grow_tree(0, 512)"),
    "an index dropped": run("DROP INDEX members_ledgertransaction_sealing"),
    "a table of its own in the schema": run("CREATE TABLE public.mine (x int)"),
    "a rule on a table": run(
        "CREATE RULE r AS ON INSERT TO members_ledgerentry DO INSTEAD NOTHING"
    ),
    "the owner's role": run("SET ROLE loyalty_owner"),
    "the owner's session": run("SET SESSION AUTHORIZATION loyalty_owner"),
    "the owner's rights": run("GRANT loyalty_owner TO loyalty_site"),
    "rights for itself": run(
        "DO $$ BEGIN GRANT ALL ON members_ledgerentry TO loyalty_site;"
        " UPDATE members_ledgerentry SET points = 1; END $$"
    ),
}
# The same strokes, made as they should be: without them a refusal would show nothing.
HONEST: dict[str, Attack] = {
    "an earn": e(("available", 5), ("issued", -5), points=5),
    "a debit": lambda x, s: spend(x, s, 5, 5),
    "a reversal": lambda x, s: claw(x, s, 10),
    "the end of a hold": lambda x, s: release(x, s, 10, s.held),
    "an expiry": lambda x, s: expire(x, s, 75, NOON + 300 * DAY),
    "a hold": lambda x, s: hold(x, s, 5),
    "points of the other currency": lambda x, s: enter(
        x,
        s,
        head(x, s, currency_id=s.books.status),
        *((s.holder.status, 7), (s.books.status_issued, -7)),
        currency=s.books.status,
    ),
    "a debt within its limit": lambda x, s: enter(
        x, s, head(x, s, "adjust_debit"), (s.holder.debt, -500), (s.books.adjusted, 500)
    ),
    **PART_HONEST,
}
