"""The verbs for inhibitions: the only writer of Inhibition."""

from collections.abc import Mapping
from typing import Any

from monitoring.models import Inhibition
from monitoring.notification import matchers
from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import FieldError, Invalid, NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from orchestra.kernel.naming import name_taken_reported

access.grant(
    {"inhibitions.create": Role.ADMIN, "inhibitions.change": Role.ADMIN, "inhibitions.remove": Role.ADMIN},
)

FIELDS = ("name", "source", "target", "equal", "enabled")
DEFAULTS: Mapping[str, Any] = {"name": "", "source": [], "target": [], "equal": [], "enabled": True}
LONGEST_NAME = 100


def create(values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Inhibition:
    """Add an inhibition. ``values`` may hold :data:`FIELDS`. Raises :class:`Invalid`."""
    access.check(by, "inhibitions.create")
    given = {**DEFAULTS, **{name: values[name] for name in FIELDS if name in values}}
    check(given)
    with events.recording(by):
        rule = Inhibition(**_kept(given))
        with name_taken_reported("an inhibition", rule.name):
            rule.save(force_insert=True)
        _record("InhibitionCreated", rule, after=describe(rule), reason=reason, permission="inhibitions.create")
    return rule


def change(pk: int, values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Inhibition:
    """Change the :data:`FIELDS` that ``values`` names. What changes nothing is not recorded."""
    access.check(by, "inhibitions.change")
    with events.recording(by):
        rule = _locked(pk)
        before = describe(rule)
        given = {**before, **{name: values[name] for name in FIELDS if name in values}}
        check(given)
        for name, value in _kept(given).items():
            setattr(rule, name, value)
        after = describe(rule)
        changed = [name for name in FIELDS if before[name] != after[name]]
        if changed:
            with name_taken_reported("an inhibition", rule.name):
                rule.save(update_fields=FIELDS)
            action = "InhibitionChanged"
            if changed == ["enabled"]:
                action = "InhibitionEnabled" if rule.enabled else "InhibitionDisabled"
            old, new = ({name: state[name] for name in changed} for state in (before, after))
            _record(action, rule, before=old, after=new, reason=reason, permission="inhibitions.change")
    return rule


def remove(pk: int, *, by: Actor, reason: str = "") -> None:
    """Remove an inhibition; what it hides is told when its group is looked at next."""
    access.check(by, "inhibitions.remove")
    with events.recording(by):
        rule = _locked(pk)
        _record("InhibitionRemoved", rule, before=describe(rule), reason=reason, permission="inhibitions.remove")
        rule.delete()


def check(values: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` that names every bad field of a whole inhibition, if there is one."""
    faults: list[FieldError] = []
    name, equal = values["name"], values["equal"]
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        faults.append({"path": "name", "message": f"Give it a name of at most {LONGEST_NAME} characters."})
    if not isinstance(equal, list | tuple) or any(one not in matchers.LABELS for one in equal):
        faults.append({"path": "equal", "message": f"Give a list of {', '.join(matchers.LABELS)}."})
    if not isinstance(values["enabled"], bool):
        faults.append({"path": "enabled", "message": "Say true or false."})
    for side, which in (("source", "which alert hides others"), ("target", "which alerts it hides")):
        found = matchers.faults_of(values[side], side)
        if not found and not values[side]:
            found = [{"path": side, "message": f"Give at least one condition that says {which}."}]
        faults += found
    if faults:
        raise Invalid(errors=faults)


def describe(rule: Inhibition) -> dict[str, Any]:
    """All that can be set of an inhibition."""
    return {name: getattr(rule, name) for name in FIELDS}


def _kept(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": given["name"].strip(),
        "source": matchers.cleaned(given["source"]),
        "target": matchers.cleaned(given["target"]),
        "equal": [one for one in matchers.LABELS if one in given["equal"]],
        "enabled": given["enabled"],
    }


def _locked(pk: int) -> Inhibition:
    found = Inhibition.objects.select_for_update(no_key=True).filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such inhibition; it may have been removed, so go back to the list.")
    return found


def _record(action: str, rule: Inhibition, **what: Any) -> None:
    events.record(action, target=Ref("inhibition", rule.pk, rule.name), **what)
