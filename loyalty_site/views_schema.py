"""The OpenAPI document, and the pages that show it."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpResponse
from django.urls import get_resolver
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request

from loyalty_site.lib import openapi
from loyalty_site.lib.drf import ApiView
from loyalty_site.lib.schema import PUBLIC, operation


@cache
def site_document() -> dict[str, Any]:
    """Return the document of this site's operations; they do not change while it runs."""
    return openapi.document(get_resolver().url_patterns)


class SchemaView(ApiView):
    """The contract for machines."""

    @operation(
        "get_schema",
        "Read this document",
        access=(PUBLIC,),
        tag="program",
        responses={200: {"type": "object"}},
        conditional=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer the OpenAPI document."""
        return self.resource(site_document())


docs = SpectacularSwaggerSplitView.as_view(url_name="schema")
