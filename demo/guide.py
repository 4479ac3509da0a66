"""What the demo prints when the site lives: where, who, and what to look at."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

CURL = """\
  TOKEN=$(curl -s {address}/identity/o/api/token -d grant_type=client_credentials \\
    -d client_id={client_id} -d client_secret={client_secret} -d scope=purchases:write \\
    | python3 -c 'import json,sys; print(json.load(sys.stdin)["access_token"])')
  curl -s {address}/api/v1/purchases -H "Authorization: Bearer $TOKEN" \\
    -H "Idempotency-Key: $(date +%s)-$$-purchase" -H 'Content-Type: application/json' \\
    -d '{{"source": "pos", "external_id": "R-'$(date +%s)-$$'", "member": {member},
         "occurred_at": "'$(date -u +%Y-%m-%dT%H:%M:%SZ)'", "currency": "{currency}",
         "lines": [{{"line_id": "1", "sku": "MLK", "name": "Milk", "category": "dairy",
                    "quantity": "4", "unit_price": "3.25"}}]}}' | python3 -m json.tool
"""


def show(*, address: str, root: Path, environment: dict[str, str], seconds: float) -> None:
    """Print the guide."""
    logins = _logins(root, environment)
    member, staff, client = (logins.get(kind) or {} for kind in ("member", "staff", "client"))
    lines = ["", f"The site lives at {address} (ready after {seconds:.0f} s).", ""]
    if member:
        lines.append(f"  member   {member['email']}   {member['password']}   {address}/home")
    if staff:
        lines.append(f"  staff    {staff['email']}   {staff['password']}   {address}/admin/")
    if client:
        lines.append(f"  client   {client['client_id']}   {client['client_secret']}")
    lines += [
        "",
        "Look at:",
        f"  {address}/               how the program works, made from its live rules",
        f"  {address}/activity       every line of the member's points answers Why?",
        f"  {address}/rewards        what points buy, with the reason where they do not",
        f"  {address}/admin/         the same member seen by staff",
        f"  {address}/api/v1/docs    the API",
        "",
    ]
    if client:
        identifier = member.get("identifier") or member.get("card") or member.get("email")
        lines += ["A purchase, as a till sends it (paste it):", ""]
        lines.append(
            CURL.format(
                address=address,
                client_id=client["client_id"],
                client_secret=client["client_secret"],
                member=json.dumps({"identifier": identifier}) if identifier else "null",
                currency=_currency(address),
            )
        )
    lines.append(
        "Ctrl-C stops it all. The same database in another shell: .venv/bin/python manage.py"
    )
    print("\n".join(lines), flush=True)


def _currency(address: str) -> str:
    with urllib.request.urlopen(f"{address}/api/v1/program", timeout=10) as answer:
        return str(json.load(answer)["currency"])


def _logins(root: Path, environment: dict[str, str]) -> dict[str, Any]:
    finished = subprocess.run(
        [sys.executable, root / "manage.py", "demo_logins", "--json"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        print(finished.stderr, file=sys.stderr)
        return {}
    logins: dict[str, Any] = json.loads(finished.stdout)
    return logins
