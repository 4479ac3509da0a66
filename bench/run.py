"""Measures S1, S2, S3, S5, S9 and S10 in one interleaved run and prints them beside the goals.

With --large: what takes a ledger of ten million entries, see bench/large.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench import counting, evaluating, large, loads, replaying, site
from bench.rows import Row, rates_row, say, show
from bench.site import ROOT, Site

ROUNDS = 5
LOTS_FEW, LOTS_MANY = 10, 1_000
TPCB_SCALE = 10


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="interleaved rounds (5)")
    parser.add_argument("--large", action="store_true", help="S4, S6, S7, S8 and S11 instead")
    parser.add_argument(
        "--entries", type=int, default=large.ENTRIES, help="size of --large (10,000,000)"
    )
    options = parser.parse_args()
    plan = large.plan(options.entries)
    if options.large:
        say(plan)
        plan.check(shutil.disk_usage(ROOT).free)
    with _folder() as var:
        os.environ["VAR_DIR"] = str(var)
        os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
        if options.large:
            large.run(var, plan, options.rounds)
        else:
            _run(var, options.rounds)


@contextmanager
def _folder() -> Iterator[Path]:
    """Yield a folder of the bench's own, removed afterwards with the servers' data."""
    from loyalty_site.embedded import home_of

    parent = ROOT / "var"
    parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        _stop_servers()
        home = home_of(folder)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


def _stop_servers() -> None:
    from django.conf import settings
    from django.db import connections

    connections.close_all()
    for server in (settings.EMBEDDED_POSTGRES, settings.EMBEDDED_VALKEY):
        if server:
            server.release()


def _run(var: Path, rounds: int) -> None:
    import django

    django.setup()
    from django.conf import settings

    moment = datetime.now(UTC)
    say("Preparing a database of its own: 2,000 members, the demo's program")
    site.prepare(moment)
    few, many = _members_with_lots(moment)
    _grow(moment)
    settings.EMBEDDED_POSTGRES.sql("VACUUM ANALYZE", database="loyalty")
    tools = {name: site.program_of(name) for name in ("wrk", "pgbench")}
    running = site.start(var)
    try:
        rows = _measure(running, tools, rounds, {"few": few, "many": many})
        rows.insert(1, counting.statements())
        rows.append(counting.home_queries())
        rows.append(evaluating.evaluations(rounds))
        rows.append(replaying.replays(rounds))
    finally:
        running.stop()
    show(rows, rounds)


def _grow(moment: datetime) -> None:
    """Give every member a purchase: plans made on empty tables say nothing."""
    from campaigns.bodies import parse_purchase
    from campaigns.services.intake import process_batch

    rows = [row for number in range(4) for row in loads.batch_of("grow", number)["purchases"]]
    process_batch(bodies=[parse_purchase(row) for row in rows], actor="bench", moment=moment)


def _members_with_lots(moment: datetime) -> tuple[str, str]:
    from campaigns.bodies import parse_purchase
    from campaigns.services.intake import process_batch
    from members.models import Identifier

    found = []
    for card, lots in (("8900000001", LOTS_FEW), ("8900000002", LOTS_MANY)):
        site.enroll([card], moment)
        bodies = [parse_purchase(row) for row in loads.lots_of(card, lots, moment)]
        process_batch(bodies=bodies, actor="bench", moment=moment)
        member = Identifier.objects.select_related("member").get(value=card).member
        found.append(str(member.public_id))
    return found[0], found[1]


def _pgbench_command(tool: str) -> list[str]:
    from django.conf import settings

    server = settings.EMBEDDED_POSTGRES
    server.sql("DROP DATABASE IF EXISTS bench_tpcb")
    server.sql("CREATE DATABASE bench_tpcb")
    connection = [
        *("-h", str(server.socket_folder), "-p", "5432", "-U", "postgres", "bench_tpcb"),
    ]
    os.environ["PGPASSWORD"] = server.role_passwords["postgres"]
    subprocess.run(
        [tool, "-i", "-q", "-s", str(TPCB_SCALE), *connection], check=True, capture_output=True
    )
    return [
        tool,
        *("-c", str(loads.CLIENTS), "-j", "2", "-T", str(loads.SECONDS), "-n", "-M", "prepared"),
        *connection,
    ]


def _measure(
    running: Site, tools: dict[str, str | None], rounds: int, members: dict[str, str]
) -> list[Row]:
    taken: dict[str, list[float]] = {}
    wrk, pgbench = tools["wrk"], tools["pgbench"]
    command = _pgbench_command(pgbench) if pgbench else []
    steps: dict[str, Callable[[str], float]] = {}
    if pgbench:
        steps["tpcb"] = lambda _run: loads.pgbench(command)
    if wrk:
        steps["single"] = lambda run: loads.purchases(running, wrk, run)
        steps["balance"] = lambda _run: loads.balances(running, wrk)
        steps["empty"] = lambda _run: loads.empty(running, wrk)
    steps["batch"] = lambda run: loads.batches(running, run)
    steps["few"] = lambda run: loads.redemptions(running, members["few"], f"{run}-few")
    steps["many"] = lambda run: loads.redemptions(running, members["many"], f"{run}-many")
    # The first round fills caches and prepares statements, and does not count.
    for number in range(rounds + 1):
        for name, step in steps.items():
            rate = step(f"r{number}")
            if number:
                taken.setdefault(name, []).append(rate)
        say(f"round {number} of {rounds}" if number else "warm-up")
    missing = {name for name, tool in tools.items() if tool is None}
    return [
        _ratio(
            "S1",
            "a purchase over HTTP against pgbench",
            ">= 0.15",
            taken,
            ("single", "tpcb"),
            missing,
        ),
        _ratio(
            "S3",
            "batch intake against single purchases",
            ">= 12",
            taken,
            ("batch", "single"),
            missing,
        ),
        _ratio(
            "S5", "redeeming from 1,000 lots against 10", ">= 0.7", taken, ("many", "few"), set()
        ),
        _ratio(
            "S9",
            "a balance over HTTP against an empty view",
            ">= 0.40",
            taken,
            ("balance", "empty"),
            missing & {"wrk"},
        ),
    ]


def _ratio(
    number: str,
    what: str,
    goal: str,
    taken: dict[str, list[float]],
    names: tuple[str, str],
    missing: set[str],
) -> Row:
    above, below = (taken.get(name) for name in names)
    if not above or not below:
        packages = {"wrk": "wrk", "pgbench": "postgresql-contrib"}
        need = ", ".join(packages[name] for name in sorted(missing)) or "a tool"
        return Row(number, what, goal, None, f"not measured: needs Debian's {need}")
    return rates_row(number, what, goal, above, below)


if __name__ == "__main__":
    main()
