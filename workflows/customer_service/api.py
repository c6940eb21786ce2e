"""Inquiries and the knowledge base over the API."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from orchestra.kernel import rest
from workflows.customer_service import arrivals, desk, intake, knowledge
from workflows.customer_service.arrivals import Arrival
from workflows.customer_service.decisions import Decision, decide
from workflows.customer_service.dossier import Dossier
from workflows.customer_service.listing import ArticleList, InquiryList
from workflows.customer_service.models import Article
from workflows.customer_service.serializers import (
    ArticleIn,
    ArticleOut,
    InquiryIn,
    InquiryOut,
    InquiryRow,
    ReassignIn,
    ReviewIn,
)

PATHS = {name: f"customer.{name}" for name in ("email", "name", "tier")}


class Inquiries(rest.View):
    permissions = {"POST": "inquiries.create"}

    @rest.describes_list(InquiryList, InquiryRow)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, InquiryList, InquiryRow)

    @rest.describes_creation(InquiryIn, InquiryOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(InquiryIn)
        arrival, is_new = _arrival(given), True

        def create() -> Any:
            nonlocal is_new
            inquiry, is_new = intake.receive(arrival, by=request.actor, reason=given["reason"])
            return _shown(request, inquiry.pk)

        response = rest.create_once(request, create)
        if not is_new:
            response.status_code = 200
        return response


class InquiryPage(rest.View):
    @extend_schema(responses=InquiryOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_shown(request, pk))


class Claim(rest.View):
    """Take an escalated inquiry; the answer has the lease that a review must name."""

    permissions = {"POST": "inquiries.review"}

    @extend_schema(request=rest.ReasonIn, responses=InquiryOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        desk.claim(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(_shown(request, pk))


class Release(rest.View):
    """Give a claimed inquiry back undecided."""

    permissions = {"POST": "inquiries.review"}

    @extend_schema(request=rest.ReasonIn, responses=InquiryOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        desk.release(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(_shown(request, pk))


class Review(rest.View):
    """Approve, edit or reject under a lease; 409 ``stale_lease`` under any but the current one, and nothing is sent."""

    permissions = {"POST": "inquiries.review"}

    @extend_schema(request=ReviewIn, responses=InquiryOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(ReviewIn)
        decision = Decision(
            given["decision"], given["reply"], given["category"], reason=given["reason"], then=given["then"]
        )
        decide(pk, decision, lease=given["lease"], by=request.actor)
        return Response(_shown(request, pk))


class Reassign(rest.View):
    """Say whose an open inquiry is."""

    permissions = {"POST": "inquiries.review"}

    @extend_schema(request=ReassignIn, responses=InquiryOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(ReassignIn)
        desk.reassign(pk, given["assignee"], by=request.actor, reason=given["reason"])
        return Response(_shown(request, pk))


class Reopen(rest.View):
    """Bring a resolved or closed inquiry back to the desk."""

    permissions = {"POST": "inquiries.review"}

    @extend_schema(request=rest.ReasonIn, responses=InquiryOut)
    def post(self, request: rest.ApiRequest, pk: int) -> Response:
        desk.reopen(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(_shown(request, pk))


class Articles(rest.View):
    permissions = {"POST": "knowledge.change"}

    @rest.describes_list(ArticleList, ArticleOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, ArticleList, ArticleOut)

    @rest.describes_creation(ArticleIn, ArticleOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(ArticleIn)
        reason = given.pop("reason")
        return rest.create_once(request, lambda: ArticleOut(knowledge.add(given, by=request.actor, reason=reason)).data)


class ArticlePage(rest.View):
    permissions = {"PATCH": "knowledge.change", "DELETE": "knowledge.change"}

    @extend_schema(responses=ArticleOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(ArticleOut(rest.found(Article.objects.all(), pk=pk)).data)

    @extend_schema(request=ArticleIn(partial=True), responses=ArticleOut)
    def patch(self, request: rest.ApiRequest, pk: int) -> Response:
        given = self.valid(ArticleIn, partial=True)
        reason = given.pop("reason", "")
        return Response(ArticleOut(knowledge.change(pk, given, by=request.actor, reason=reason)).data)

    @extend_schema(request=rest.ReasonIn, responses={204: None})
    def delete(self, request: rest.ApiRequest, pk: int) -> Response:
        knowledge.remove(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(status=204)


def _arrival(given: dict[str, Any]) -> Arrival:
    texts = {name: given.get(name) or "" for name in ("subject", "body", "channel", "external_id")}
    customer = given.get("customer") or {}
    return arrivals.read(texts | {name: customer.get(name) or "" for name in PATHS}, paths=PATHS)


def _shown(request: rest.ApiRequest, pk: int) -> Any:
    return InquiryOut.of(Dossier(pk, request.user)).data
