"""Silences over the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from monitoring.models import Silence
from monitoring.notification import matchers, silence_listing, silences, silencing
from monitoring.notification.silence_listing import AllSilences, SilenceRow
from orchestra.kernel import rest

STATES = [(state, state) for state in (silences.ACTIVE, silences.SCHEDULED, silences.ENDED)]
MOST_NAMED = 50


class MatcherShape(rest.Serializer):
    """A condition on a label of an alert. ``value`` is a text, with the operator ``in`` a list of texts."""

    label = serializers.ChoiceField([(name, name) for name in matchers.LABELS])  # type: ignore[assignment]
    operator = serializers.ChoiceField([(word, word) for word in matchers.OPERATORS])
    value = serializers.JSONField()


class SilenceOut(rest.Serializer):
    """A silence: its conditions, all of which must hold; author, reason and end; and the open alerts that fit it."""

    id = serializers.IntegerField(source="silence.pk")
    matchers = MatcherShape(many=True, source="silence.matchers")
    words = serializers.CharField(help_text="The conditions as a sentence.")
    state = serializers.ChoiceField(STATES)
    author = serializers.CharField(source="silence.author")
    reason = serializers.CharField(source="silence.reason")
    starts_at = serializers.DateTimeField(source="silence.starts_at")
    ends_at = serializers.DateTimeField(source="silence.ends_at")
    ended_by = serializers.CharField(source="silence.ended_by", help_text="Who ended it early.")
    warned_at = serializers.DateTimeField(source="silence.warned_at", allow_null=True)
    created_at = serializers.DateTimeField(source="silence.created_at")
    hides = serializers.SerializerMethodField(help_text="How many open alerts fit it now.")
    alerts = serializers.SerializerMethodField(help_text=f"The numbers of the newest {MOST_NAMED} of them.")

    def get_hides(self, row: SilenceRow) -> int:
        return len(row.alerts)

    def get_alerts(self, row: SilenceRow) -> list[int]:
        return [alert.pk for alert in row.alerts[:MOST_NAMED]]


class SilenceChange(rest.Serializer):
    """What can be changed of a silence that has not ended; its beginning only before that."""

    matchers = MatcherShape(many=True)
    reason = serializers.CharField(max_length=1000)
    starts_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Now if not given or past.")
    ends_at = serializers.DateTimeField()


class SilenceIn(SilenceChange):
    """A new silence."""


class Silences(rest.View):
    permissions = {"POST": "silences.create"}

    @rest.describes_list(AllSilences, SilenceOut)
    def get(self, request: rest.ApiRequest) -> Response:
        return rest.page_of(request, AllSilences, SilenceOut)

    @rest.describes_creation(SilenceIn, SilenceOut)
    def post(self, request: rest.ApiRequest) -> Response:
        given = self.valid(SilenceIn)
        return rest.create_once(request, lambda: _shown(silencing.create(given, by=request.actor).pk))


class SilencePage(rest.View):
    permissions = {"PATCH": "silences.change", "DELETE": "silences.end"}

    @extend_schema(responses=SilenceOut)
    def get(self, request: rest.ApiRequest, pk: int) -> Response:
        return Response(_shown(pk))

    @extend_schema(request=SilenceChange(partial=True), responses=SilenceOut)
    def patch(self, request: rest.ApiRequest, pk: int) -> Response:
        """Changes what is named. A silence that has ended stays as it was (409)."""
        given = self.valid(SilenceChange, partial=True)
        silencing.change(pk, {name: value for name, value in given.items() if value is not None}, by=request.actor)
        return Response(_shown(pk))

    @extend_schema(request=rest.ReasonIn, responses={200: SilenceOut})
    def delete(self, request: rest.ApiRequest, pk: int) -> Response:
        """Ends it now; it stays to be seen."""
        silencing.end(pk, by=request.actor, reason=self.valid(rest.ReasonIn)["reason"])
        return Response(_shown(pk))


def _shown(pk: int) -> Any:
    silence = rest.found(Silence.objects.all(), pk=pk)
    return SilenceOut(silence_listing.rows_of([silence], timezone.now())[0]).data
