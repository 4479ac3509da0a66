"""A member's copy of everything that is held about them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from loyalty_site.lib import query
from loyalty_site.lib.drf import answer
from loyalty_site.lib.problems import NotFound
from loyalty_site.lib.schema import MEMBER, PUBLIC, TEXT, operation, parameter
from members.api.base import MembersView
from members.api.schemas import EXPORT
from members.models import DataExport
from members.services.exports import request_export

LINK_LIFETIME = timedelta(minutes=15)

_signer = Signer(salt="members.export")


class MyExportsView(MembersView):
    """Copies asked for."""

    @operation(
        "request_my_export",
        "Ask for a copy of everything that is held about you",
        access=(MEMBER,),
        tag="me",
        responses={202: EXPORT},
        problems=(404,),
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer the copy's id and state."""
        moment = timezone.now()
        export = request_export(member=self.me(), moment=moment)
        return answer(_body(export, moment), status=202)


class MyExportView(MembersView):
    """One copy."""

    @operation(
        "read_my_export",
        "Read the state of a copy, and a link to it that lasts 15 minutes",
        access=(MEMBER,),
        tag="me",
        responses={200: EXPORT},
        problems=(404,),
    )
    def get(self, request: Request, export_id: str) -> HttpResponse:
        """Answer state and link."""
        member = self.me()
        rows = DataExport.objects.filter(member=member, public_id=query.path_id(export_id))
        export = rows.defer("content").first()
        if export is None:
            raise NotFound
        return answer(_body(export, timezone.now()))


class ExportFileView(MembersView):
    """The file of a copy; the link itself is the proof of who may have it."""

    @operation(
        "download_export",
        "Download a copy by its link",
        access=(PUBLIC,),
        tag="me",
        responses={200: None},
        problems=(400, 404),
        query=(parameter("token", TEXT, "From the link.", required=True),),
    )
    def get(self, request: Request, export_id: str) -> HttpResponse:
        """Answer the ZIP."""
        public_id = query.path_id(export_id)
        moment = timezone.now()
        _require_token(query.required(request._request, "token"), str(public_id), moment)
        export = DataExport.objects.filter(public_id=public_id).first()
        if export is None or export.content is None or export.expires_at <= moment:
            raise NotFound
        name = f"attachment; filename=export-{public_id}.zip"
        headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
        return HttpResponse(bytes(export.content), content_type="application/zip", headers=headers)


def _body(export: DataExport, moment: datetime) -> dict[str, Any]:
    is_over = export.expires_at <= moment
    state = DataExport.State.EXPIRED.value if is_over else export.state
    return {
        "id": export.public_id,
        "state": state,
        "url": _link(export, moment) if state == DataExport.State.READY else None,
        "expires_at": export.expires_at,
    }


def _link(export: DataExport, moment: datetime) -> str:
    until = int((moment + LINK_LIFETIME).timestamp())
    token = _signer.sign(f"{export.public_id}.{until}").partition(".")[2]
    return f"{settings.BASE_URL}/api/v1/me/export/{export.public_id}/file?token={token}"


def _require_token(token: str, public_id: str, moment: datetime) -> None:
    try:
        signed = _signer.unsign(f"{public_id}.{token}")
    except BadSignature:
        raise NotFound from None
    if int(signed.rpartition(".")[2]) < moment.timestamp():
        raise NotFound
