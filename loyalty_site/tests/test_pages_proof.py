"""Proofs: what members get, what everybody sees, and verifiers that need nothing of the site."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as site_settings
from django.db import connection
from django.test import Client

from loyalty_site.tests import club
from members.models import LedgerCheckpoint, LedgerTransaction, Member, User
from members.services import privacy
from members.tests.callers import app

VERIFIER = Path(site_settings.BASE_DIR) / "static" / "verifier" / "verify_proof.py"
SCRIPT = VERIFIER.parents[1] / "js" / "proof.js"


@pytest.fixture
def member(committed_database: str) -> Member:
    club.open_club()
    member = club.join()
    for _ in range(3):
        club.buy(member)
    return member


def login(member: Member) -> User:
    assert member.user is not None
    return member.user


def proof_of(member: Member) -> tuple[LedgerTransaction, dict[str, Any]]:
    posted = club.latest(member, "earn")
    answer = app(login(member)).get(f"/me/entries/{posted.public_id}/proof")
    assert answer.status_code == 200, answer.content
    return posted, answer.json()


def verdict(proof: dict[str, Any], folder: Path, *options: str) -> tuple[int, str]:
    """Return how the verifier ends, run by itself, without the site's packages."""
    path = folder / "proof.json"
    path.write_text(json.dumps(proof))
    finished = subprocess.run(
        [sys.executable, "-I", "-S", str(VERIFIER), str(path), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, finished.stdout + finished.stderr


def test_an_entry_is_proved_without_the_site_and_stays_so_after_erasure(
    member: Member, tmp_path: Path
) -> None:
    club.seal()
    posted, proof = proof_of(member)
    kept = tmp_path / "checkpoint.json"
    checkpoint = Client().get(f"/checkpoints/{proof['checkpoint']['tree_size']}").json()
    kept.write_text(json.dumps(checkpoint))
    (key,) = Client().get("/checkpoints/keys").json()["keys"]
    options = ("--checkpoint", str(kept), "--key", key["key"])

    ended, told = verdict(proof, tmp_path, *options)

    assert (ended, told.splitlines()[-1]) == (0, "The proof holds.")
    assert "earn of 2026-06-24T12:00:00 UTC: available +64, issued -64 points" in told
    assert proof["leaf"]["transaction"] == str(posted.public_id)

    privacy.erase(member=member, confirm=member.number, actor="test", moment=club.NOW)
    club.seal()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT body FROM ledger_leaves({posted.pk}, {posted.pk})")
        assert json.loads(cursor.fetchone()[0]) == proof["leaf"]
    assert verdict(proof, tmp_path, *options)[0] == 0


def with_points(proof: dict[str, Any]) -> None:
    proof["leaf"]["entries"][1]["points"] += 1


def with_place(proof: dict[str, Any]) -> None:
    proof["sequence"] += 1


def with_path(proof: dict[str, Any]) -> None:
    proof["path"][0] = "00" * 32


def with_size(proof: dict[str, Any]) -> None:
    proof["checkpoint"]["made_at"] = "2026-06-25T12:00:00Z"


def with_signature(proof: dict[str, Any]) -> None:
    proof["signature"] = proof["signature"][:-2] + "00"


def with_key(proof: dict[str, Any]) -> None:
    proof["public_key"] = "11" * 32


FORGERIES: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    ("points", with_points, "what the entry says is not what was sealed"),
    ("place", with_place, "what the entry says is not what was sealed"),
    ("path", with_path, "what the entry says is not what was sealed"),
    ("moment", with_size, "the checkpoint is not signed by the key that it names"),
    ("signature", with_signature, "the checkpoint is not signed by the key that it names"),
    ("key", with_key, "the checkpoint names another key"),
]


def test_a_forged_proof_does_not_hold(member: Member, tmp_path: Path) -> None:
    club.seal()
    _posted, proof = proof_of(member)

    for case, forge, complaint in FORGERIES:
        forged = json.loads(json.dumps(proof))
        forge(forged)
        ended, told = verdict(forged, tmp_path)
        assert (ended, f"WRONG: {complaint}" in told) == (1, True), case


def test_an_entry_that_was_rewritten_does_not_hold(
    member: Member, database_urls: dict[str, str], tmp_path: Path
) -> None:
    club.seal()
    posted = club.latest(member, "earn")
    with psycopg.connect(database_urls["superuser"], autocommit=True) as superuser:
        superuser.execute(b"SET session_replication_role = replica")
        superuser.execute(
            b"UPDATE members_ledgerentry SET points = points / 2 WHERE transaction_id = %s",
            (posted.pk,),
        )

    _posted, proof = proof_of(member)

    assert verdict(proof, tmp_path)[0] == 1


def test_what_is_not_sealed_yet_says_when_to_come_back(member: Member) -> None:
    posted = club.latest(member, "earn")

    refused = app(login(member)).get(f"/me/entries/{posted.public_id}/proof")
    page = club.browser_of(member).get(f"/activity/{posted.public_id}/proof")

    assert (refused.status_code, refused.json()["code"]) == (409, "not_sealed_yet")
    assert (page.status_code, page.json()["code"]) == (409, "not_sealed_yet")


def test_nobody_gets_the_proof_of_somebody_else(member: Member) -> None:
    club.seal()
    posted, other = club.latest(member, "earn"), club.join("Rui")

    assert app(login(other)).get(f"/me/entries/{posted.public_id}/proof").status_code == 404
    assert club.browser_of(other).get(f"/activity/{posted.public_id}/proof").status_code == 404
    assert Client().get(f"/activity/{posted.public_id}/proof").status_code == 302
    assert Client().get(f"/api/v1/me/entries/{posted.public_id}/proof").status_code == 401


def test_the_page_offers_the_proof_and_the_verifier(member: Member) -> None:
    club.seal()
    posted, proof = proof_of(member)
    browser = club.browser_of(member)

    page = club.why(browser, posted)
    file = browser.get(f"/activity/{posted.public_id}/proof")

    assert f'href="/activity/{posted.public_id}/proof"' in page
    assert "verifier/verify_proof.py" in page
    assert file.json() == proof
    assert file["Content-Disposition"] == f'attachment; filename="proof-{posted.public_id}.json"'


def test_everybody_sees_what_was_signed(member: Member) -> None:
    assert Client().get("/checkpoints/latest").status_code == 404
    club.seal()

    latest = Client().get("/checkpoints/latest")

    row = LedgerCheckpoint.objects.order_by("-tree_size")[0]
    assert latest.json()["checkpoint"]["tree_size"] == row.tree_size
    assert Client().get(f"/checkpoints/{row.tree_size}").json() == latest.json()
    assert Client().get(f"/checkpoints/{row.tree_size + 1}").status_code == 404


@pytest.mark.skipif(shutil.which("node") is None, reason="the page's script runs in node here")
def test_the_script_of_the_page_comes_to_the_same(member: Member, tmp_path: Path) -> None:
    club.seal()
    _posted, proof = proof_of(member)
    forged = json.loads(json.dumps(proof))
    with_points(forged)
    unknown = "00" * 32
    (tmp_path / "cases.json").write_text(
        json.dumps(
            [[proof, [proof["public_key"]]], [forged, [proof["public_key"]]], [proof, [unknown]]]
        )
    )
    (tmp_path / "proof.mjs").write_text(
        "globalThis.document = { addEventListener() {}, querySelectorAll: () => [] };\n"
        + SCRIPT.read_text()
    )
    (tmp_path / "run.mjs").write_text(
        "import { readFileSync } from 'node:fs';\n"
        "import { holds } from './proof.mjs';\n"
        "const cases = JSON.parse(readFileSync('cases.json', 'utf8'));\n"
        "const told = [];\n"
        "for (const [proof, keys] of cases) told.push(await holds(proof, keys));\n"
        "console.log(JSON.stringify(told));\n"
    )

    finished = subprocess.run(
        ["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert finished.stdout.strip() == "[true,false,false]", finished.stderr
