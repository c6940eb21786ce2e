"""``/metrics``: open to the addresses that METRICS_OPEN_TO lists, otherwise to anyone with a token."""

from ipaddress import ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from monitoring.prometheus import exposition
from orchestra.kernel import rest
from orchestra.kernel.gate.authentication import SessionAuthentication, TokenAuthentication
from orchestra.kernel.gate.permissions import RolePermission
from orchestra.kernel.inbound import proven_address


class BearerAuthentication(TokenAuthentication):
    """``Authorization: Bearer KEY``, as Prometheus says it by itself, or ``Token KEY`` as everywhere else."""

    keywords = ("token", "bearer")


class OpenOrRole(BasePermission):
    """Whoever asks from an address that is listed; else a person or program of any role."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return is_open_to(request._request) or RolePermission().has_permission(request, view)


class Metrics(rest.View):
    """Everything that is measured, for Prometheus."""

    http_method_names = ["get", "head", "options"]
    authentication_classes = [BearerAuthentication, SessionAuthentication]
    permission_classes = [OpenOrRole]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        return JSONRenderer(), JSONRenderer.media_type  # of errors; the answer itself is text, whatever is asked for

    @extend_schema(exclude=True)
    def get(self, request: rest.ApiRequest) -> HttpResponse:
        headers = {"Cache-Control": "no-store"}
        return HttpResponse(exposition.answer(), content_type=exposition.CONTENT_TYPE, headers=headers)


def is_open_to(request: HttpRequest) -> bool:
    """Whether METRICS_OPEN_TO lists the address that asks. Where nobody can prove that address, it is not listed."""
    try:
        address = ip_address(proven_address(request))
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in ip_network(text) for text in settings.METRICS_OPEN_TO)
