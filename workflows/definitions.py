"""Published definitions: the only writer of Workflow and WorkflowVersion, and the cache of parsed ones."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Max

from agents import reservations
from agents.models import Capability
from orchestra.kernel import access, canonical, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from workflows import definition_text, queues, version_changes
from workflows.definition import Definition
from workflows.definition_checks import Known
from workflows.models import Workflow, WorkflowVersion
from workflows.reader import parse, parse_text
from workflows.version_changes import Change

access.grant({"workflows.view": Role.VIEWER, "workflows.publish": Role.ADMIN})

_parsed: dict[int, Definition] = {}
_KEPT = 1000


def publish(
    name: str, source: Mapping[str, Any] | str, *, by: Actor, reason: str = "", allow_unknown: bool = False
) -> WorkflowVersion:
    """Make ``source``, a definition or its YAML or JSON text, the newest version of the workflow ``name``.

    The same definition again changes nothing. With ``allow_unknown``, capabilities and workflows that do not exist yet
    may be named. Raises :class:`~orchestra.kernel.errors.Invalid` with the path of every fault.
    """
    access.check(by, "workflows.publish")
    source = _named(name, source)
    definition = parse(source, None if allow_unknown else known(name))
    digest = hashlib.sha256(canonical.text(source).encode()).hexdigest()
    with events.recording(by):
        workflow, _ = Workflow.objects.get_or_create(name=name)
        workflow = Workflow.objects.select_for_update(no_key=True).get(pk=workflow.pk)
        newest = workflow.versions.order_by("-number").first()
        if newest is not None and newest.digest == digest:
            return newest
        number = newest.number + 1 if newest else 1
        version = WorkflowVersion.objects.create(workflow=workflow, number=number, definition=source, digest=digest)
        queues.ensure([definition.queue])
        events.record(
            "WorkflowPublished",
            target=Ref("workflow", workflow.pk, name),
            before={"version": newest.number} if newest else None,
            after={"version": number, "digest": digest},
            reason=reason,
            permission="workflows.publish",
        )
    return version


def revise(name: str, source: Mapping[str, Any], *, upon: int, by: Actor, reason: str = "") -> WorkflowVersion:
    """:func:`publish`, if ``upon`` still is the number of the newest version (0: there is none yet).

    Raises :class:`~orchestra.kernel.errors.Conflict` if it is not, since who wrote ``source`` has not seen the newest.
    """
    access.check(by, "workflows.publish")
    with events.recording(by):
        workflow = Workflow.objects.select_for_update(no_key=True).filter(name=name).first()
        newest = workflow.versions.aggregate(number=Max("number"))["number"] if workflow else 0
        version = publish(name, source, by=by, reason=reason) if newest == upon else None
        if version is None or version.number > upon + 1:  # a workflow that was not there cannot be locked
            raise Conflict(f"Another version of {name} was published meanwhile; look at it, then decide again.")
    return version


def check(source: Mapping[str, Any] | str) -> Definition:
    """Read a definition as :func:`publish` would, and publish nothing.

    Raises :class:`~orchestra.kernel.errors.Invalid` with the path of every fault.
    """
    data = definition_text.read(source) if isinstance(source, str) else source
    name = data.get("name") if isinstance(data, Mapping) else None
    return parse(data, known(str(name)))


def known(name: str) -> Known:
    """What a definition of the workflow ``name`` may ask for: it may name itself too."""
    capabilities = Capability.objects.values_list("name", flat=True).distinct()
    workflows = Workflow.objects.values_list("name", flat=True)
    return Known(frozenset(capabilities), frozenset(workflows) | {name}, tuple(reservations.supplies()))


def compare(before: WorkflowVersion, after: WorkflowVersion) -> list[Change]:
    """What ``after`` says differently."""
    return version_changes.changes(before.definition, after.definition)


def newest(name: str, number: int | None = None) -> WorkflowVersion:
    """The newest version of a workflow, or the one with ``number``; raises :class:`NotFound`."""
    versions = WorkflowVersion.objects.filter(workflow__name=name).select_related("workflow").order_by("-number")
    version = versions.first() if number is None else versions.filter(number=number).first()
    if version is None:
        raise NotFound(f"There is no workflow {name}{f' with version {number}' if number else ''}; publish it first.")
    return version


def parsed(versions: Collection[int]) -> Mapping[int, Definition]:
    """The parsed definitions of versions by id; at most one query, for those not seen before."""
    global _parsed  # noqa: PLW0603  replaced when it is full, not emptied: other threads go on with the one they hold
    missing = set(versions) - _parsed.keys()
    if missing:
        kept = {} if len(_parsed) > _KEPT else _parsed
        rows = WorkflowVersion.objects.filter(pk__in=set(versions) - kept.keys()).values_list("pk", "definition")
        kept.update({pk: parse_text(canonical.text(source)) for pk, source in rows})
        _parsed = kept
    return _parsed


def readable(versions: Collection[int]) -> tuple[Mapping[int, Definition], Mapping[int, str]]:
    """As :func:`parsed`, with what is wrong with each that cannot be read: that one stands there without any steps."""
    rows = WorkflowVersion.objects.filter(pk__in=set(versions) - _parsed.keys())
    faults, stand_ins = {}, {}
    for pk, name, source in rows.values_list("pk", "workflow__name", "definition"):
        try:
            _parsed[pk] = parse_text(canonical.text(source))
        except Exception as error:  # noqa: BLE001  a release that read it otherwise may have stored anything
            faults[pk], stand_ins[pk] = str(error), Definition(name, ())
    return (_parsed | stand_ins) if stand_ins else parsed(versions), faults


def forget() -> None:
    """Forget parsed definitions: for tests, in which a version's number comes back with another definition."""
    _parsed.clear()


def _named(name: str, source: Mapping[str, Any] | str) -> dict[str, Any]:
    """The definition under the name it is published by; what is no table is left for the reader to refuse."""
    data = definition_text.read(source) if isinstance(source, str) else source
    return {**data, "name": name} if isinstance(data, Mapping) else data
