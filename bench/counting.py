"""The rows that are counted and not timed."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from bench.rows import Row

TRANSACTION_WORDS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
WARM = 3


def statements() -> Row:
    """Return how many statements a warm purchase sends between BEGIN and COMMIT."""
    from django.db import connection
    from django.utils import timezone

    from campaigns.bodies import parse_purchase
    from campaigns.services.intake import process_purchase
    from campaigns.services.keys import Key

    seen: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    for number in range(WARM):
        body = parse_purchase(
            {
                "source": "bench-count",
                "external_id": f"count-{uuid4()}",
                "member": {"identifier": "8800000001"},
                "occurred_at": timezone.now().isoformat(),
                "currency": "EUR",
                "lines": [{"line_id": "1", "quantity": "1", "unit_price": "9.90"}],
            }
        )
        key = Key("client:bench", f"bench-count-{uuid4()}", b"0" * 32)
        if number < WARM - 1:
            process_purchase(body=body, actor="bench", moment=timezone.now(), key=key)
            continue
        with connection.execute_wrapper(note):
            process_purchase(body=body, actor="bench", moment=timezone.now(), key=key)
    names = [sql.split("(")[0].replace("SELECT ", "") for sql in seen]
    return Row("S2", "statements of a warm purchase", "<= 3", str(len(seen)), ", ".join(names))


def home_queries() -> Row:
    """Return how many queries the member's home page makes, session and login included."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from members.models import Identifier, User

    member = Identifier.objects.select_related("member").get(value="8900000001").member
    member.user = User.objects.create_user("bench@example.com", None)
    member.save(update_fields=["user"])
    client = Client(SERVER_NAME="localhost")
    client.force_login(member.user)
    client.get("/home")
    with CaptureQueriesContext(connection) as captured:
        answer = client.get("/home")
    if answer.status_code != 200:
        raise SystemExit(f"bin/bench: the home page answered {answer.status_code}")
    return Row("S10", "queries of the member's home page", "<= 6", str(len(captured)), "")
