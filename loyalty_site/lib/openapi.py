"""The OpenAPI 3.1 document, made from the declarations of the operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from django.urls import URLPattern, URLResolver

from loyalty_site.lib import query, reading
from loyalty_site.lib.auth import SCOPES
from loyalty_site.lib.idempotency import KEY_LENGTH_MAX, KEY_LENGTH_MIN
from loyalty_site.lib.problems import MEDIA_TYPE as PROBLEM_TYPE
from loyalty_site.lib.schema import (
    ID,
    MEMBER,
    PUBLIC,
    TEXT,
    Operation,
    Schema,
    array,
    operation_of,
    parameter,
    record,
)

METHODS = ("get", "post", "put", "patch", "delete")
PATH_PARAMETER = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>", re.ASCII)
REFERENCE = "#/components/schemas/{name}"

PROBLEM: dict[str, Any] = {
    **record(
        ("errors", "request_id"),
        type={"type": "string", "format": "uri"},
        title=TEXT,
        status={"type": "integer", "minimum": 400, "maximum": 599},
        detail=TEXT,
        code={"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
        request_id={"type": ["string", "null"]},
        errors=array(record(pointer=TEXT, code=TEXT, detail=TEXT)),
    ),
    "description": "RFC 9457; further members are the figures of the case.",
}

KEY = parameter(
    "Idempotency-Key",
    {
        "type": "string",
        "minLength": KEY_LENGTH_MIN,
        "maxLength": KEY_LENGTH_MAX,
        "pattern": "^[!-~]+$",
        "examples": ["5f1c2c9e-0d1f-4f5c-8d5e-3f1f8f0f4a11"],
    },
    "Names the act, so that a repeat gets the first answer instead of acting again.",
    required=True,
    where="header",
)
LISTING = (
    parameter(
        "limit",
        {
            "type": "integer",
            "minimum": 1,
            "maximum": query.LIMIT_MAX,
            "default": query.LIMIT_DEFAULT,
        },
        "How many rows the page has at most.",
    ),
    parameter("cursor", TEXT, "`next_cursor` or `prev_cursor` of a page received before."),
)
DRY_RUN = parameter(
    "dry_run",
    {"type": "boolean", "default": False},
    "Answer 200 with what would happen, and write nothing; no key is needed.",
)
IF_NONE_MATCH = parameter(
    "If-None-Match", TEXT, "Answer 304 while the `ETag` is still this.", where="header"
)
IF_MATCH = parameter(
    "If-Match", TEXT, "Refuse with 412 unless the `ETag` is still this.", where="header"
)


def document(patterns: Iterable[URLPattern | URLResolver]) -> dict[str, Any]:
    """Return the document of every declared operation below the URL patterns."""
    components = _Components()
    paths: dict[str, dict[str, Any]] = {}
    for route, view in _views(patterns, ""):
        path, named = _path(route)
        for method in METHODS:
            declared = operation_of(getattr(view, method, None))
            if declared is not None:
                paths.setdefault(path, {})[method] = _operation(declared, method, named, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Loyalty API",
            "version": "1",
            "description": "Points, tiers and rewards for tills, shops, partners and members.",
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Problem": PROBLEM, **dict(sorted(components.schemas.items()))},
            "responses": {
                "Problem": {
                    "description": "A refusal, with its reason and what to do.",
                    "content": {
                        PROBLEM_TYPE: {"schema": {"$ref": REFERENCE.format(name="Problem")}}
                    },
                }
            },
            "securitySchemes": _security_schemes(),
        },
    }


class _Components:
    """The schemas of structs, collected while operations refer to them."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def resolve(self, schema: Any) -> Any:
        """Return the schema with each struct in it replaced by a reference."""
        if isinstance(schema, type):
            (reference,), found = msgspec.json.schema_components(
                [schema], schema_hook=reading.schema_of, ref_template=REFERENCE
            )
            self.schemas |= found
            self.schemas |= {name: reading.SCHEMAS[name] for name in found & reading.SCHEMAS.keys()}
            return reference
        if isinstance(schema, Mapping):
            return {key: self.resolve(value) for key, value in schema.items()}
        if isinstance(schema, list | tuple):
            return [self.resolve(value) for value in schema]
        return schema


def _views(patterns: Iterable[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns, route)
        elif (view := getattr(pattern.callback, "view_class", None)) is not None:
            yield route, view


def _path(route: str) -> tuple[str, list[Schema]]:
    """Return the path as a template, and its parameters, which are ids unless typed otherwise."""
    named = []
    for match in PATH_PARAMETER.finditer(route):
        schema = TEXT if match["converter"] == "slug" else ID
        what = "The id." if schema is ID else "The code."
        named.append(parameter(match["name"], schema, what, required=True, where="path"))
    return "/" + PATH_PARAMETER.sub(r"{\g<name>}", route), named


def _operation(
    declared: Operation, method: str, named: list[Schema], components: _Components
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": declared.id,
        "summary": declared.summary,
        "tags": [declared.tag],
        "security": _security(declared.access),
        "parameters": [*named, *_parameters(declared, method)],
        "responses": _responses(declared, method, bool(named), components),
    }
    if declared.description:
        found["description"] = declared.description
    if declared.request is not None:
        found["requestBody"] = {
            "required": declared.request_required,
            "content": {"application/json": {"schema": components.resolve(declared.request)}},
        }
    return found


def _parameters(declared: Operation, method: str) -> Iterator[Schema]:
    yield from declared.query
    if declared.listing:
        yield from LISTING
    if declared.dry_run:
        yield DRY_RUN
    if declared.idempotent:
        yield KEY
    if declared.conditional:
        yield IF_NONE_MATCH if method == "get" else IF_MATCH


def _responses(
    declared: Operation, method: str, has_id: bool, components: _Components
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, schema in declared.responses.items():
        response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if schema is not None:
            content = {"schema": components.resolve(schema)}
            response["content"] = {"application/json": content}
        if headers := _headers(declared):
            response["headers"] = headers
        found[str(status)] = response
    if declared.conditional and method == "get":
        found["304"] = {"description": HTTPStatus.NOT_MODIFIED.phrase}
    for status in sorted(_refusals(declared, method, has_id)):
        found[str(status)] = {"$ref": "#/components/responses/Problem"}
    return found


def _headers(declared: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if declared.conditional:
        found["ETag"] = {"schema": TEXT}
    if declared.idempotent:
        found["Idempotent-Replayed"] = {
            "description": "`true` where the answer was given before.",
            "schema": {"type": "string", "enum": ["true"]},
        }
    return found


def _refusals(declared: Operation, method: str, has_id: bool) -> set[int]:
    found = {429, 503, *declared.problems}
    if PUBLIC not in declared.access:
        found |= {401, 403}
    if has_id:
        found.add(404)
    if declared.request is not None:
        found |= {400, 413, 415}
    if declared.query or declared.listing or declared.dry_run:
        found.add(400)
    if declared.idempotent:
        found |= {400, 409, 422}
    if declared.conditional and method != "get":
        found.add(412)
    return found


def _security(access: tuple[str, ...]) -> list[dict[str, list[str]]]:
    found: list[dict[str, list[str]]] = [{}] if PUBLIC in access else []
    found += [{"client": [word]} for word in access if word not in {MEMBER, PUBLIC}]
    if MEMBER in access:
        found.append({"member": []})
    return found


def _security_schemes() -> dict[str, Any]:
    return {
        "client": {
            "type": "oauth2",
            "description": "A till, shop or partner, by client credentials.",
            "flows": {
                "clientCredentials": {"tokenUrl": "/identity/o/api/token", "scopes": dict(SCOPES)}
            },
        },
        "member": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Session-Token",
            "description": "A member's app, by the session of its login at `/_allauth/app/v1/`.",
        },
    }
