"""Lists of the API: keyset pages of a ``ListFilter``, with the addresses of their neighbours."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from orchestra.kernel.errors import Invalid
from orchestra.kernel.lists import RESERVED, ListFilter


def page_of(
    request: Request, listing: type[ListFilter[Any]], serializer: type[BaseSerializer[Any]], **options: Any
) -> Response:
    """One page of ``listing`` as ``{"next", "previous", "results"}``; parameters it does not know are errors."""
    params = request.query_params.dict()
    unknown = sorted(params.keys() - listing.filters.keys() - RESERVED - {"sort"})
    if unknown:
        known = ", ".join(sorted(listing.filters))
        raise Invalid(errors=[{"path": name, "message": f"This list filters by {known}."} for name in unknown])
    asked = listing(params, **options)
    page = asked.page()
    return Response(
        {
            "next": _address(request, asked, page.next),
            "previous": _address(request, asked, page.previous),
            "results": serializer(page.rows, many=True, context={"request": request}).data,
        }
    )


def _address(request: Request, asked: ListFilter[Any], cursor: str) -> str | None:
    return request.build_absolute_uri(asked.page_link(cursor)) if cursor else None
