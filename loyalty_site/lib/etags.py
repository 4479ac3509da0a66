"""Entity tags: strong, made from the bytes of the answer."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest

from loyalty_site.lib.problems import PreconditionFailed


def etag_of(content: bytes) -> str:
    """Return the strong entity tag of the content, quotes included."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def is_fresh(request: HttpRequest, etag: str) -> bool:
    """Return whether `If-None-Match` says that the caller has this version already."""
    tags = _tags(request.META.get("HTTP_IF_NONE_MATCH", ""))
    # RFC 9110, 13.1.2: this comparison is weak, since an intermediary that
    # compresses may have weakened the tag.
    return "*" in tags or etag in {tag.removeprefix("W/") for tag in tags}


def require_match(request: HttpRequest, etag: str) -> None:
    """Let the request pass unless `If-Match` names only other versions.

    :raises PreconditionFailed: the caller decided on an older version.
    """
    header = request.META.get("HTTP_IF_MATCH")
    if header is None:
        return
    tags = _tags(header)
    if "*" not in tags and etag not in tags:
        raise PreconditionFailed(current_etag=etag)


def _tags(header: str) -> set[str]:
    # Tags of this API hold no comma, so that splitting at commas is exact.
    return {tag.strip() for tag in header.split(",")} - {""}
