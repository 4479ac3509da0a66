"""The door of the tills: purchases, batches, claims."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from campaigns import presenters
from campaigns.api.keyed import CURRENCY, KeyedView
from campaigns.api.schemas import BATCH, PURCHASE, WHOLE_PURCHASE
from campaigns.bodies import (
    BATCH_BYTES_MAX,
    BatchBody,
    ClaimBody,
    PurchaseBody,
    parse_batch,
    parse_claim,
    parse_purchase,
)
from campaigns.queries import purchases, rulebook
from campaigns.services import claims, intake
from campaigns.services.intake import RowOutcome
from loyalty_site.lib import cursors, problems, query
from loyalty_site.lib.drf import ApiView, answer
from loyalty_site.lib.schema import MEMBER, listing, operation
from members.api.base import MembersView


class PurchasesView(KeyedView):
    """Purchases as tills tell them."""

    @operation(
        "post_purchase",
        "Post a purchase",
        access=("purchases:write",),
        tag="purchases",
        request=PurchaseBody,
        responses={200: PURCHASE, 201: PURCHASE},
        problems=(409, 422),
        query=(CURRENCY,),
        idempotent=True,
        dry_run=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Post it, or with `dry_run=true` say what it would give."""
        return self.keyed_or_dry(
            lambda key, dry_run: intake.process_purchase(
                body=parse_purchase(self.json_body()),
                actor=self.caller.key,
                moment=timezone.now(),
                key=key,
                currency=self.spoken_currency(),
                dry_run=dry_run,
            )
        )


class PurchaseBatchView(ApiView):
    """Many purchases at once."""

    @operation(
        "post_purchase_batch",
        "Post up to 1,000 purchases",
        access=("purchases:write",),
        tag="purchases",
        request=BatchBody,
        responses={200: BATCH},
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer what became of each row, in the order sent."""
        rows = parse_batch(self.json_body(BATCH_BYTES_MAX))
        good = [row.body for row in rows if row.body is not None]
        outcomes = iter(
            intake.process_batch(bodies=good, actor=self.caller.key, moment=timezone.now())
        )
        request_id = getattr(request._request, "request_id", None)
        results = []
        for row in rows:
            if row.body is None:
                outcome = RowOutcome("error", problem=problems.Invalid(row.errors))
            else:
                outcome = next(outcomes)
            results.append(_row(row.index, row.external_id, outcome, request_id))
        return answer({"results": results})


def _row(
    index: int, external_id: str | None, outcome: RowOutcome, request_id: str | None
) -> dict[str, Any]:
    failed = outcome.problem is not None
    return {
        "index": index,
        "external_id": external_id,
        "status": outcome.status,
        "points": None if failed else outcome.points,
        "id": outcome.public_id,
        "problem": problems.document(outcome.problem, request_id) if outcome.problem else None,
    }


class PurchaseView(KeyedView):
    """One purchase."""

    @operation(
        "get_purchase",
        "Read a purchase",
        access=("purchases:write",),
        tag="purchases",
        responses={200: WHOLE_PURCHASE},
        query=(CURRENCY,),
        conditional=True,
    )
    def get(self, request: Request, purchase_id: str) -> HttpResponse:
        """Return it with its lines and what came back of them."""
        currency = rulebook.spoken_currency(self.spoken_currency())
        found = purchases.purchase(query.path_id(purchase_id))
        return self.resource(presenters.current(found, purchases.returned(found), currency))


class ClaimView(KeyedView):
    """The claim of an unidentified purchase."""

    @operation(
        "claim_purchase",
        "Give an unidentified purchase to a member",
        access=("purchases:write",),
        tag="purchases",
        request=ClaimBody,
        responses={200: WHOLE_PURCHASE},
        problems=(409, 422),
        query=(CURRENCY,),
        idempotent=True,
    )
    def post(self, request: Request, purchase_id: str) -> HttpResponse:
        """Give it once, by the rules valid when it occurred."""
        return self.keyed(
            lambda key: claims.process_claim(
                public_id=query.path_id(purchase_id),
                body=parse_claim(self.json_body()),
                actor=self.caller.key,
                moment=timezone.now(),
                key=key,
                currency=self.spoken_currency(),
            )
        )


class MyPurchasesView(MembersView):
    """The member's own purchases."""

    @operation(
        "list_my_purchases",
        "List my purchases",
        access=(MEMBER,),
        tag="me",
        responses={200: listing(WHOLE_PURCHASE)},
        query=(CURRENCY,),
        problems=(404,),
        listing=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Return a page, newest first."""
        currency = rulebook.spoken_currency(query.text(request._request, "currency"))
        member = self.me()
        fetch, key_of = cursors.keyset(purchases.purchases_of(member), "-occurred_at", "-id")
        page = cursors.answer_page(
            request._request,
            fetch,
            key_of=key_of,
            serialize=lambda row: presenters.current(row, purchases.returned(row), currency),
            scope=f"purchases:{member.pk}",
        )
        return answer(page)
