"""The loads: each returns how many it did in a second, or seconds, of one round."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.site import MEMBERS, Site, call

HERE = Path(__file__).resolve().parent
CLIENTS = 8
SECONDS = 5
BATCHES = 4
ROWS = 500
REDEMPTIONS = 25
DONE = re.compile(r"requests (\d+) seconds ([\d.]+) errors (\d+)")
TPS = re.compile(r"tps = ([\d.]+)")


P99 = re.compile(r"p99 ([\d.]+)")


def _wrk(site: Site, wrk: str, script: str, path: str, *arguments: str) -> float:
    found = _requests(site, wrk, script, path, *arguments)
    return int(found[1]) / float(found[2])


def _requests(site: Site, wrk: str, script: str, path: str, *arguments: str) -> re.Match[str]:
    printed = subprocess.run(
        [
            wrk,
            *("-t2", f"-c{CLIENTS}", f"-d{SECONDS}s", "--timeout", "20s", "-s", str(HERE / script)),
            *(f"{site.address}{path}", "--", *arguments),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = DONE.search(printed)
    if found is None or int(found[3]):
        raise SystemExit(f"bin/bench: {path} answered with errors:\n{printed}")
    return found


def purchases(site: Site, wrk: str, run: str) -> float:
    """Return single purchases a second over HTTP, 8 clients, every one new."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _wrk(
        site, wrk, "purchase.lua", "/api/v1/purchases", site.token, run, str(MEMBERS), moment
    )


def purchases_p99(site: Site, wrk: str, run: str) -> float:
    """Return the seconds within which 99 of 100 single purchases were answered, 8 clients."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = _requests(
        site, wrk, "purchase.lua", "/api/v1/purchases", site.token, run, str(MEMBERS), moment
    )
    p99 = P99.search(found.string)
    if p99 is None:
        raise SystemExit("bin/bench: wrk said nothing of its latencies")
    return float(p99[1]) / 1000


@contextmanager
def batch_client(site: Site, run: str) -> Iterator[list[int]]:
    """Send batches of 500 purchases one after the other meanwhile; yield the sizes sent."""
    over = threading.Event()
    sent: list[int] = []

    def send() -> None:
        while not over.is_set():
            body = batch_of(run, len(sent))
            call(site.address, site.token, "/api/v1/purchases/batch", body)
            sent.append(len(body["purchases"]))

    with ThreadPoolExecutor(1) as sender:
        sending = sender.submit(send)
        try:
            yield sent
        finally:
            over.set()
            sending.result()


def balances(site: Site, wrk: str) -> float:
    """Return reads of one member's balance a second over HTTP, 8 clients."""
    return _wrk(site, wrk, "get.lua", f"/api/v1/members/{site.member}/balance", site.token)


def empty(site: Site, wrk: str) -> float:
    """Return answers of an empty Django view a second, 8 clients."""
    return _wrk(site, wrk, "get.lua", "/bench/empty", site.token)


def pgbench(command: list[str]) -> float:
    """Return tpcb-like transactions a second, 8 clients, on the same server."""
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = TPS.search(printed)
    if found is None:
        raise SystemExit(f"bin/bench: pgbench said nothing of its rate:\n{printed}")
    return float(found[1])


def batches(site: Site, run: str) -> float:
    """Return purchases a second by batches of 500 rows, two senders at a time."""
    bodies = [batch_of(run, number) for number in range(BATCHES)]

    def send(body: dict[str, Any]) -> None:
        answer = call(site.address, site.token, "/api/v1/purchases/batch", body)
        bad = [row for row in answer["results"] if row["status"] != "created"]
        if bad:
            raise SystemExit(f"bin/bench: a batch row was not created: {bad[0]}")

    began = time.perf_counter()
    with ThreadPoolExecutor(2) as senders:
        list(senders.map(send, bodies))
    return BATCHES * ROWS / (time.perf_counter() - began)


def batch_of(run: str, number: int) -> dict[str, Any]:
    """Return the body of a batch of 500 purchases, all new, of as many members."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = [
        {"line_id": "1", "sku": "MLK", "category": "dairy", "quantity": "2", "unit_price": "1.10"},
        {"line_id": "2", "sku": "BRD", "category": "bakery", "quantity": "1", "unit_price": "2.35"},
        {
            "line_id": "3",
            "sku": "APL",
            "category": "produce",
            "quantity": "1.250",
            "unit_price": "3.20",
            "discount": "0.50",
        },
    ]
    return {
        "purchases": [
            {
                "source": "bench",
                "external_id": f"{run}-batch-{number}-{row}",
                "member": {"identifier": f"88{(number * ROWS + row) % MEMBERS:08d}"},
                "occurred_at": moment,
                "store": "bench-1",
                "currency": "EUR",
                "lines": lines,
            }
            for row in range(ROWS)
        ]
    }


def redemptions(site: Site, member: str, run: str) -> float:
    """Return redemptions a second of one member, each holding 150 points and giving them back.

    The lots are as many after the round as before it.
    """
    began = time.perf_counter()
    made = []
    for number in range(REDEMPTIONS):
        body = {"member": {"id": member}, "reward": "coffee", "mode": "hold"}
        key = f"bench-redeem-{run}-{number:08d}"
        made.append(call(site.address, site.token, "/api/v1/redemptions", body, key)["id"])
    seconds = time.perf_counter() - began
    for number, redemption in enumerate(made):
        key = f"bench-cancel-{run}-{number:08d}"
        path = f"/api/v1/redemptions/{redemption}/cancel"
        call(site.address, site.token, path, {"reason": "bench"}, key)
    return REDEMPTIONS / seconds


def lots_of(card: str, lots: int, moment: datetime) -> Iterator[dict[str, Any]]:
    """Yield the purchases that give a member so many lots of their own."""
    for number in range(lots):
        occurred_at = moment - timedelta(hours=1 + number // 4, minutes=number % 4)
        yield {
            "source": "bench-lots",
            "external_id": f"{card}-{number}",
            "member": {"identifier": card},
            "occurred_at": occurred_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "currency": "EUR",
            "lines": [{"line_id": "1", "quantity": "1", "unit_price": f"{4000 // lots}.00"}],
        }
