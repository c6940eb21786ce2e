"""``Idempotency-Key``: a creating request that is sent again creates nothing, and is answered as the first was."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from orchestra.kernel import canonical, events
from orchestra.kernel.errors import BadRequest, Conflict
from orchestra.kernel.models import IdempotencyRecord
from orchestra.kernel.rest.views import ApiRequest

KEPT_FOR = timedelta(days=7)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class IdempotencyMismatch(Conflict):
    """This Idempotency-Key was used for another request; send a new key for a new object."""

    code = "idempotency_mismatch"


def create_once(request: ApiRequest, create: Callable[[], Any]) -> Response:
    """201 with what ``create`` returns (the answer's data), or 200 with what it returned for the same key and body.

    The record is written in the transaction of the creation: of two requests at a time with one key, the second waits
    for the first, and a creation that fails leaves the key free.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return Response(create(), status=201)
    if not _KEY.fullmatch(key):
        raise BadRequest("The Idempotency-Key must be 1 to 255 printable ASCII characters without spaces.")
    digest = _digest(request)
    with events.recording(request.actor):
        record = _reserve(request, key, digest)
        if record is not None:
            answer = create()
            record.answer = json.loads(json.dumps(answer, cls=JSONEncoder))
            record.save(update_fields=["answer"])
            return Response(answer, status=201)
    return _replay(request, key, digest)


def is_repeated(request: ApiRequest) -> bool:
    """Whether the request's key was used before, so that what ``create`` needs need not be made ready."""
    key = request.headers.get("Idempotency-Key")
    return key is not None and IdempotencyRecord.objects.filter(user=request.user, key=key).exists()


def forget_old() -> int:
    """Remove records older than :data:`KEPT_FOR`; a daily job. Returns how many."""
    return IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()[0]


def _digest(request: ApiRequest) -> str:
    described = [request.method, request.path, canonical.text(request.data)]
    return hashlib.sha256("\n".join(map(str, described)).encode()).hexdigest()


def _reserve(request: ApiRequest, key: str, digest: str) -> IdempotencyRecord | None:
    """The new record, or None where there is one already; waits while another transaction is making it."""
    try:
        with transaction.atomic():
            return IdempotencyRecord.objects.create(user=request.user, key=key, digest=digest)
    except IntegrityError:
        return None


def _replay(request: ApiRequest, key: str, digest: str) -> Response:
    record = IdempotencyRecord.objects.get(user=request.user, key=key)
    if record.digest != digest:
        raise IdempotencyMismatch
    return Response(record.answer, status=200)
