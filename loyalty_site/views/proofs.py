"""Proofs for members to download, and the checkpoints that everybody may compare them with."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from loyalty_site.lib import signing
from loyalty_site.views.access import member_page
from members.models import LedgerCheckpoint, Member
from members.presenters import proof_body
from members.queries.proofs import NotSealedYet, proof_of
from members.services.checkpoints import public_keys, signed


@require_safe
@member_page
def proof_file(_request: HttpRequest, member: Member, public_id: UUID) -> HttpResponse:
    """Hand over the proof of one of the member's entries."""
    try:
        proof = proof_of(member_id=member.pk, public_id=public_id)
    except NotSealedYet as refusal:
        return JsonResponse({"code": refusal.code, "detail": str(refusal.remedy)}, status=409)
    if proof is None:
        raise Http404
    name = f'attachment; filename="proof-{public_id}.json"'
    return _json(proof_body(proof), {"Content-Disposition": name})


@require_safe
@cache_control(public=True, max_age=30)
def latest_checkpoint(_request: HttpRequest) -> HttpResponse:
    """Tell everybody what was signed last."""
    return _checkpoint(LedgerCheckpoint.objects.order_by("-tree_size").first())


@require_safe
@cache_control(public=True, max_age=86400, immutable=True)
def checkpoint(_request: HttpRequest, tree_size: int) -> HttpResponse:
    """Tell everybody what was signed about the first so many seals."""
    return _checkpoint(LedgerCheckpoint.objects.filter(tree_size=tree_size).first())


@require_safe
@cache_control(public=True, max_age=300)
def keys(_request: HttpRequest) -> HttpResponse:
    """Tell everybody which keys sign."""
    listed = [{"key_id": signing.key_id(key), "key": key.hex()} for key in sorted(public_keys())]
    return _json({"algorithm": "Ed25519", "keys": listed})


def _checkpoint(row: LedgerCheckpoint | None) -> HttpResponse:
    if row is None:
        raise Http404
    return _json(signed(row).as_json())


def _json(body: object, headers: dict[str, str] | None = None) -> HttpResponse:
    return JsonResponse(body, headers=headers, json_dumps_params={"indent": 1})
