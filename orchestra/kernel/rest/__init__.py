"""What API views are made of: ``from orchestra.kernel import rest``, then ``rest.View``, ``rest.Serializer``, …"""

from orchestra.kernel.rest.idempotency import create_once, is_repeated
from orchestra.kernel.rest.paging import page_of
from orchestra.kernel.rest.schema import describes_creation, describes_list
from orchestra.kernel.rest.serializers import ReasonIn, Serializer
from orchestra.kernel.rest.views import ApiRequest, View, found

__all__ = [
    "ApiRequest",
    "ReasonIn",
    "Serializer",
    "View",
    "create_once",
    "describes_creation",
    "describes_list",
    "found",
    "is_repeated",
    "page_of",
]
