"""The base of every API view."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from orchestra.kernel.access import Actor
from orchestra.kernel.errors import NotFound
from orchestra.kernel.models import User

Row = TypeVar("Row", bound=Model)


class ApiRequest(Request):
    """A request as API views see it: for type annotations."""

    user: User
    actor: Actor


class View(APIView):
    """An API view: ``permissions`` says what each writing method needs; reading needs a person of any role."""

    permissions: ClassVar[Mapping[str, str]] = {}

    def valid(self, serializer: type[BaseSerializer[Any]], *, partial: bool = False) -> dict[str, Any]:
        """The body as ``serializer`` reads it; raises ``Invalid`` with the path of each fault."""
        reading = serializer(data=self.request.data, partial=partial, context={"request": self.request})
        reading.is_valid(raise_exception=True)
        return dict(reading.validated_data)


def found(rows: QuerySet[Row], **lookup: Any) -> Row:
    """The one row, or :class:`NotFound`."""
    row = rows.filter(**lookup).first()
    if row is None:
        raise NotFound
    return row
