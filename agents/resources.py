"""The verbs for resources themselves: create, change, disable, remove. The only writer of Resource.

Who holds what is in ``reservations.py``. A capacity may be lowered below what is in use: nothing is taken away, and
nothing more is granted until it fits.
"""

import re
from collections.abc import Mapping
from typing import Any

from agents import matching, reservations
from agents.models import OPEN_RESERVATION, ReservationLine, Resource
from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, FieldError, Invalid, NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from orchestra.kernel.naming import name_taken_reported

access.grant({"resources.create": Role.ADMIN, "resources.change": Role.ADMIN, "resources.remove": Role.ADMIN})

FIELDS = ("name", "type", "capacity", "specs", "enabled", "description")
MAX_CAPACITY = 1_000_000
TYPE = re.compile(r"[a-z][a-z0-9_]{0,99}")


def create(values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Resource:
    """Add a resource, of whose :data:`FIELDS` name and type must be given. Raises :class:`Invalid`."""
    access.check(by, "resources.create")
    given = {name: values[name] for name in FIELDS if name in values}
    check(given)
    with events.recording(by):
        with name_taken_reported("a resource", given["name"]):
            resource = Resource.objects.create(**given)
        _record("ResourceCreated", resource, after=describe(resource), reason=reason, permission="resources.create")
        reservations.settle()
    return resource


def change(resource_id: int, values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Resource:
    """Change the :data:`FIELDS` that ``values`` names. What is held stays so; what changes nothing is not recorded."""
    access.check(by, "resources.change")
    with events.recording(by):
        resource = _locked(resource_id)
        before = describe(resource)
        after = before | {name: values[name] for name in FIELDS if name in values}
        check(after)
        changed = [name for name in FIELDS if before[name] != after[name]]
        if not changed:
            return resource
        for name in changed:
            setattr(resource, name, after[name])
        with name_taken_reported("a resource", resource.name):
            resource.save(update_fields=[*changed, "updated_at"])
        _record(
            _action_of(changed, after),
            resource,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
            reason=reason,
            permission="resources.change",
        )
        reservations.settle()
    return resource


def remove(resource_id: int, *, by: Actor, reason: str = "") -> None:
    """Remove a resource of which nothing is held. Raises :class:`Conflict` while something is."""
    access.check(by, "resources.remove")
    with events.recording(by):
        resource = _locked(resource_id)
        held = ReservationLine.objects.filter(resource=resource, reservation__status__in=OPEN_RESERVATION)
        if line := held.select_related("reservation").first():
            raise Conflict(
                f"{line.reservation.holder.capitalize()} holds units of {resource.name}; "
                "disable it, and remove it when that has ended."
            )
        _record("ResourceRemoved", resource, before=describe(resource), reason=reason, permission="resources.remove")
        resource.delete()


def describe(resource: Resource) -> dict[str, Any]:
    """The resource as the audit trail keeps it."""
    return {name: getattr(resource, name) for name in FIELDS}


def check(values: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` that names every bad field, if there is one."""
    faults: list[FieldError] = list(matching.faults_of_specs(values.get("specs", {})))
    name, type_ = str(values.get("name", "")), str(values.get("type", ""))
    if not name.strip() or len(name) > 100:
        faults.append({"path": "name", "message": "Give it a name of at most 100 characters."})
    if TYPE.fullmatch(type_) is None:
        message = "Give a name of lower-case letters, digits and underscores that begins with a letter."
        faults.append({"path": "type", "message": message})
    capacity = values.get("capacity", 1)
    if isinstance(capacity, bool) or not isinstance(capacity, int) or not 1 <= capacity <= MAX_CAPACITY:
        faults.append({"path": "capacity", "message": f"Give a whole number from 1 to {MAX_CAPACITY:,}."})
    if len(str(values.get("description", ""))) > 300:
        faults.append({"path": "description", "message": "Give at most 300 characters."})
    if faults:
        raise Invalid(errors=faults)


def _locked(resource_id: int) -> Resource:
    reservations.lock()
    found = Resource.objects.filter(pk=resource_id).first()
    if found is None:
        raise NotFound("There is no such resource; it may have been removed, so go back to the list.")
    return found


def _action_of(changed: list[str], after: Mapping[str, Any]) -> str:
    if changed == ["enabled"]:
        return "ResourceEnabled" if after["enabled"] else "ResourceDisabled"
    return "ResourceChanged"


def _record(action: str, resource: Resource, **what: Any) -> None:
    events.record(action, target=Ref("resource", resource.pk, resource.name), **what)
