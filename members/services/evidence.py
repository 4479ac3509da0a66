"""Files that say why points were moved by hand: small, of few kinds, for staff only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Final

from loyalty_site.lib.errors import DomainError
from members.models import Approval, Evidence

BYTES_MAX: Final = 2 * 1024 * 1024
# What a file is, is read from its beginning: its name and its header are what somebody says.
_KINDS: Final = {
    b"%PDF-": "application/pdf",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
}


class EvidenceUnsuitable(DomainError):
    """The file is too large, or of another kind."""

    code = "evidence_unsuitable"
    title = "This file cannot be kept"
    cause = "Evidence is one PDF, PNG or JPEG file of at most 2 MB."
    remedy = "Save the file as PDF, or make the picture smaller."


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was uploaded."""

    name: str
    content: bytes


def kind_of(content: bytes) -> str:
    """Return the media type of a file of evidence.

    :raises EvidenceUnsuitable: it is empty, too large or of another kind.
    """
    if not 0 < len(content) <= BYTES_MAX:
        raise EvidenceUnsuitable
    for beginning, kind in _KINDS.items():
        if content.startswith(beginning):
            return kind
    raise EvidenceUnsuitable


def attach(*, approval: Approval, file: File, moment: datetime) -> Evidence:
    """Keep the file with the approval.

    :raises EvidenceUnsuitable: it is too large or of another kind.
    """
    return Evidence.objects.create(
        approval=approval,
        name=PurePath(file.name).name[:120],
        content_type=kind_of(file.content),
        content=file.content,
        size=len(file.content),
        added_at=moment,
    )
