"""Who may call what: reading needs a person, writing the permission that the view names."""

from typing import Any

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from orchestra.kernel import access
from orchestra.kernel.errors import Forbidden, NotAuthenticated
from orchestra.kernel.inbound import SAFE_METHODS


class RolePermission(BasePermission):
    """``permissions = {"POST": "inquiries.create"}`` on the view; a write that names none is refused to everyone.

    A method that the view does not have is no matter of roles, so it is said first, and is no refusal.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method not in view.allowed_methods:
            raise MethodNotAllowed(str(request.method))
        actor = request._request.actor  # type: ignore[attr-defined]
        if actor == access.ANONYMOUS:
            raise NotAuthenticated
        permission = getattr(view, "permissions", {}).get(request.method)
        if permission:
            access.check(actor, permission)
        elif request.method not in SAFE_METHODS:
            raise Forbidden("No role allows this here; the API page lists what each path offers.")
        return True
