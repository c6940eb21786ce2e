"""What OpenAPI says of our conventions: tokens, errors, keyset pages, idempotency keys."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers

from orchestra.kernel.lists import MAX_PAGE_SIZE, PAGE_SIZE, ListFilter

ERROR = {
    "type": "object",
    "required": ["code", "detail", "errors"],
    "properties": {
        "code": {"type": "string", "description": "Stable, for programs."},
        "detail": {"type": "string", "description": "A sentence that says what to do next."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {
                    "path": {"type": "string", "description": "Where, for example `lines[2].sku`."},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
ALWAYS = {"400": "It could not be read.", "401": "No valid token.", "403": "The role does not allow it."}
ON_OBJECTS = {"404": "There is no such object."}
ON_WRITES = {
    "409": "The object's state, or a lease, does not allow it.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "Some fields are not valid; `errors` names them.",
}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Sent again with the same body, nothing new is created and the answer is 200; with another body 409.",
)


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "orchestra.kernel.gate.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token KEY`; make a key on the page Settings, API tokens.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "orchestra.kernel.gate.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


def describes_list(listing: type[ListFilter[Any]], row: type[serializers.Serializer]) -> Callable[..., Any]:
    """Decorates the ``get`` of a list that answers with ``page_of(request, listing, row)``."""
    words = {
        "cursor": "From `next` or `previous`.",
        "limit": f"Rows a page: {PAGE_SIZE} if not given, at most {MAX_PAGE_SIZE}.",
    }
    if listing.orders:
        words["sort"] = f"One of {', '.join(sorted(listing.orders))}."
    parameters = [OpenApiParameter(name, str, description=words.get(name, "")) for name in (*listing.filters, *words)]
    return extend_schema(operation_id=_snake_case(listing.__name__), responses=_page(row), parameters=parameters)


@cache
def _page(row: type[serializers.Serializer]) -> Any:
    fields = {
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
        "results": row(many=True),
    }
    return inline_serializer(f"{row.__name__}Page", fields)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def describes_creation(body: type[serializers.Serializer], row: type[serializers.Serializer]) -> Callable[..., Any]:
    """Decorates the ``post`` that answers with ``create_once``."""
    return extend_schema(request=body, responses={200: row, 201: row}, parameters=[IDEMPOTENCY_KEY])


def add_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Postprocessing hook: every operation may answer with errors in the one form."""
    result.setdefault("components", {}).setdefault("schemas", {})["Error"] = ERROR
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            expected = ALWAYS | (ON_OBJECTS if "{" in path else {}) | (ON_WRITES if method != "get" else {})
            for status, description in expected.items():
                operation["responses"].setdefault(status, _answer(description))
    return result


def _answer(description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": description, "content": content}
