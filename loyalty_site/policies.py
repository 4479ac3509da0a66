"""The Content-Security-Policies: strict for members, of their own for two kinds of pages."""

from __future__ import annotations

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

Policy = dict[str, list[str]]

MEMBERS: Policy = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF],
    "font-src": [SELF],
    "connect-src": [SELF],
    "manifest-src": [SELF],
    "worker-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}

# The admin's theme evaluates the expressions in its markup and styles elements in place.
ADMIN: Policy = MEMBERS | {
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
}

# The page that shows the API's description styles itself and carries its icons inline.
API_DOCS: Policy = MEMBERS | {
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
}

BY_PATH: dict[str, Policy] = {"/admin/": ADMIN, "/api/v1/docs": API_DOCS}
