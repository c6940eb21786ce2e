"""Published definitions: the only writer of Workflow and WorkflowVersion, and the cache of parsed ones."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from orchestra.kernel import access, canonical, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from workflows.definition import Definition, parse, parse_text
from workflows.models import Workflow, WorkflowVersion

access.grant({"workflows.view": Role.VIEWER, "workflows.publish": Role.ADMIN})

_parsed: dict[int, Definition] = {}
_KEPT = 1000


def publish(name: str, source: Mapping[str, Any], *, by: Actor, reason: str = "") -> WorkflowVersion:
    """Make ``source`` the newest version of the workflow ``name``; the same definition again changes nothing.

    Raises :class:`~orchestra.kernel.errors.Invalid` with the path of every fault.
    """
    access.check(by, "workflows.publish")
    source = {**source, "name": name}
    parse(source)
    digest = hashlib.sha256(canonical.text(source).encode()).hexdigest()
    with events.recording(by):
        workflow, _ = Workflow.objects.get_or_create(name=name)
        workflow = Workflow.objects.select_for_update().get(pk=workflow.pk)
        newest = workflow.versions.order_by("-number").first()
        if newest is not None and newest.digest == digest:
            return newest
        number = newest.number + 1 if newest else 1
        version = WorkflowVersion.objects.create(workflow=workflow, number=number, definition=source, digest=digest)
        events.record(
            "WorkflowPublished",
            target=Ref("workflow", workflow.pk, name),
            before={"version": newest.number} if newest else None,
            after={"version": number, "digest": digest},
            reason=reason,
            permission="workflows.publish",
        )
    return version


def newest(name: str, number: int | None = None) -> WorkflowVersion:
    """The newest version of a workflow, or the one with ``number``; raises :class:`NotFound`."""
    versions = WorkflowVersion.objects.filter(workflow__name=name).select_related("workflow").order_by("-number")
    version = versions.first() if number is None else versions.filter(number=number).first()
    if version is None:
        raise NotFound(f"There is no workflow {name}{f' with version {number}' if number else ''}; publish it first.")
    return version


def parsed(versions: Collection[int]) -> Mapping[int, Definition]:
    """The parsed definitions of versions by id; at most one query, for those not seen before."""
    missing = set(versions) - _parsed.keys()
    if missing:
        if len(_parsed) > _KEPT:
            _parsed.clear()
        rows = WorkflowVersion.objects.filter(pk__in={*versions} - _parsed.keys()).values_list("pk", "definition")
        _parsed.update({pk: parse_text(canonical.text(source)) for pk, source in rows})
    return _parsed


def forget() -> None:
    """Forget parsed definitions: for tests, in which a version's number comes back with another definition."""
    _parsed.clear()
