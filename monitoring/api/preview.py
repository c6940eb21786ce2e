"""Trying a threshold before it is saved, over the API: what it would have done, and whom it would have told."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import IO, Any

import orjson
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from monitoring.alerting import backtest, own_samples, thresholds
from monitoring.alerting.backtest import Course, Notice, Preview
from monitoring.api.threshold_shapes import ThresholdIn
from monitoring.metrics.catalogue import TICK_S
from monitoring.models import AlertStatus, NotificationKind
from orchestra.kernel import rest
from orchestra.kernel.errors import BadRequest, TooLarge, field_error
from orchestra.kernel.gate.parsing import StrictJSONParser, read_object

LARGEST_BODY = 24 * 1024 * 1024
"""Of a preview only: room for 200,000 samples."""
MOST_LISTED = 10_000
"""Intervals, and notifications, that one answer lists."""
LONGEST_STEP_S = 86_400


class SampleIn(rest.Serializer):
    """A sample of one's own; null says that nothing was measured, and ends the value before it."""

    at = serializers.DateTimeField(help_text="An instant, in UTC if it says nothing else; or seconds since 1970.")
    value = serializers.FloatField(allow_null=True)


class TryIn(ThresholdIn):
    """A threshold, and over which time it is replayed: the last seven days if nothing is said."""

    since = serializers.DateTimeField(required=False, help_text="Samples are kept for eight days.")
    until = serializers.DateTimeField(required=False, help_text="Left out: now; with samples, the last of them.")
    every_s = serializers.IntegerField(
        required=False, min_value=1, max_value=LONGEST_STEP_S, help_text="With samples: how often it is evaluated."
    )


class PreviewIn(TryIn):
    """The same, with samples of one's own instead of what was recorded."""

    samples = SampleIn(many=True, required=False)


class IntervalOut(rest.Serializer):
    """From when until when an alert would have had a status; ``to`` is null while it would have it still."""

    to = serializers.DateTimeField(allow_null=True)
    status = serializers.ChoiceField([status for status in AlertStatus.values if status != AlertStatus.RESOLVED])
    subject = serializers.CharField(allow_blank=True, help_text="Its id.")

    def get_fields(self) -> dict[str, Any]:
        return {"from": serializers.DateTimeField(), **super().get_fields()}


class PreviewedNotificationOut(rest.Serializer):
    """A message that would have gone through a channel, and the rules that sent it."""

    at = serializers.DateTimeField()
    channel = serializers.CharField()
    kind = serializers.ChoiceField(NotificationKind.choices)
    subjects = serializers.ListField(child=serializers.CharField(), help_text="Their names.")
    why = serializers.ListField(child=serializers.CharField())


class PreviewSubjectOut(rest.Serializer):
    """What would have become of one subject."""

    kind = serializers.CharField()
    id = serializers.CharField(allow_blank=True)
    name = serializers.CharField()
    samples = serializers.IntegerField()
    fired = serializers.IntegerField(help_text="How often its alert would have fired.")
    firing_s = serializers.FloatField(help_text="For how long altogether.")


class PreviewOut(rest.Serializer):
    """What it would have done. Counts are of everything, also where the lists are cut."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    every_s = serializers.FloatField(help_text="How often it was evaluated between samples.")
    samples = serializers.IntegerField(help_text="How many samples were read.")
    evaluations = serializers.IntegerField()
    intervals = IntervalOut(many=True)
    notifications = PreviewedNotificationOut(many=True)
    channels = serializers.DictField(child=serializers.IntegerField(), help_text="How many messages each would carry.")
    suppressed = serializers.IntegerField(help_text="Messages that some rule would have held back.")
    subjects = PreviewSubjectOut(many=True)
    chosen = serializers.CharField(help_text="Which subjects of a large fleet were taken; empty: all.")
    truncated = serializers.BooleanField(help_text="Whether intervals or notifications are cut.")


class ManySamplesParser(StrictJSONParser):
    """JSON with room for many samples, which are read by hand: without those the body is as strict as any other."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        body = stream.read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            raise TooLarge(f"The body is larger than {LARGEST_BODY // 1024 // 1024} MB; send fewer samples.")
        try:
            given = orjson.loads(body)
        except orjson.JSONDecodeError:
            return read_object(body)  # says what is wrong with it
        if not isinstance(given, dict) or not isinstance(given.get("samples"), list):
            return read_object(body)
        samples = given.pop("samples")
        return read_object(orjson.dumps(given)) | {"samples": samples}


class ThresholdPreview(rest.View):
    """Replay a threshold over recorded history, or over samples of one's own; nothing is changed."""

    permissions = {"POST": "thresholds.try"}
    parser_classes = [ManySamplesParser]

    @extend_schema(request=PreviewIn, responses=PreviewOut)
    def post(self, request: rest.ApiRequest) -> Response:
        if not isinstance(request.data, Mapping):
            raise BadRequest
        body = dict(request.data)
        samples = body.pop("samples", None)
        reading = TryIn(data=body, context={"request": request})
        reading.is_valid(raise_exception=True)
        given = dict(reading.validated_data)
        when = {name: given.pop(name, None) for name in ("since", "until", "every_s")}
        for name in ("reason", "version"):
            given.pop(name, None)
        return Response(_shown(_previewed(given, samples, when)))


def _previewed(given: Mapping[str, Any], samples: Any, when: Mapping[str, Any]) -> Preview:
    values = thresholds.whole(given)
    since, until, every_s = when["since"], when["until"], when["every_s"]
    if samples is None:
        if every_s is not None:
            raise field_error(
                "every_s", "What was recorded is evaluated at its ticks; leave this out, or give samples."
            )
        return backtest.over_history(values, now=timezone.now(), since=since, until=until)
    read = own_samples.read(samples)
    if since is not None:
        read = [sample for sample in read if sample[0] >= since.timestamp()]
        if not read:
            raise field_error("since", "All samples are earlier than this; give an earlier instant, or leave it out.")
    end = None if until is None else until.timestamp()
    if end is not None and end < min(read)[0]:
        raise field_error("until", "It must not come before the first sample; give a later instant, or leave it out.")
    return backtest.over_samples(values, read, until=end, every_s=every_s or TICK_S)


def _shown(preview: Preview) -> dict[str, Any]:
    """The answer, built by hand: a series that toggles makes as many intervals as it has samples."""
    pairs = [(course, interval) for course in preview.courses for interval in course.intervals]
    pairs.sort(key=lambda pair: pair[1].start)
    return {
        "since": _instant(preview.since),
        "until": _instant(preview.until),
        "every_s": preview.every_s,
        "samples": preview.samples,
        "evaluations": preview.evaluations,
        "intervals": [
            {
                "from": _instant(interval.start),
                "to": None if interval.end is None else _instant(interval.end),
                "status": interval.status,
                "subject": course.subject.id,
            }
            for course, interval in pairs[:MOST_LISTED]
        ],
        "notifications": [_notice(notice) for notice in preview.notices[:MOST_LISTED]],
        "channels": preview.by_channel,
        "suppressed": preview.suppressed,
        "subjects": [_course(course, preview.until) for course in preview.courses],
        "chosen": preview.chosen,
        "truncated": max(len(pairs), len(preview.notices)) > MOST_LISTED,
    }


def _notice(notice: Notice) -> dict[str, Any]:
    message = notice.message
    return {
        "at": _instant(message.at),
        "channel": message.channel.name,
        "kind": message.kind,
        "subjects": [subject.label for subject in notice.subjects],
        "why": list(message.why),
    }


def _course(course: Course, until: float) -> dict[str, Any]:
    firing = _firing(course, until)
    return {
        "kind": course.subject.kind,
        "id": course.subject.id,
        "name": course.subject.label,
        "samples": course.samples,
        "fired": course.fired,
        "firing_s": sum(firing),
    }


def _firing(course: Course, until: float) -> Iterable[float]:
    for interval in course.intervals:
        if interval.status in (AlertStatus.FIRING, AlertStatus.RECOVERING):
            yield (until if interval.end is None else interval.end) - interval.start


def _instant(at: float) -> str:
    text = datetime.fromtimestamp(at, UTC).isoformat()
    return text.replace("+00:00", "Z")
