"""The thresholds' verbs: add, change, switch, restore, remove. The only writer of Threshold and ThresholdVersion.

Each change makes a version. Alerts are left as they are: at the next tick the evaluator looks at them with the new
limit, and resolves those whose threshold is disabled or gone.
"""

from collections.abc import Mapping
from itertools import count
from typing import Any

from django.utils import timezone

from monitoring.alerting import limit_words, limits, scopes
from monitoring.alerting.usual import USUAL
from monitoring.models import AlertStatus, ScopeKind, Threshold, ThresholdVersion
from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, FieldError, Invalid, NotFound
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role, User
from orchestra.kernel.naming import name_taken_reported

access.grant(
    {
        "thresholds.create": Role.OPERATOR,
        "thresholds.change": Role.OPERATOR,
        "thresholds.remove": Role.OPERATOR,
    }
)

FIELDS = (
    "name",
    "metric",
    "scope_kind",
    "scope_value",
    "operator",
    "value",
    "recovery_value",
    "for_s",
    "keep_firing_s",
    "no_data",
    "no_data_after_s",
    "flap_changes",
    "flap_window_s",
    "severity",
    "instruction",
    "enabled",
)
"""All that a person can set."""
LONGEST_NUMBER = len(" (9999)")


class Overtaken(Conflict):
    """Somebody has changed the threshold meanwhile; look at the difference, then save again."""

    code = "overtaken"


def create(values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Threshold:
    """Add a threshold. ``values`` are read as ``limits`` reads them; without a name it is named after its limit, and
    numbered where there is one of that name.

    Raises :class:`Invalid` naming each bad field.
    """
    access.check(by, "thresholds.create")
    with events.recording(by):
        read = whole(values)
        if "name" not in values:
            read["name"] = _free(read["name"])
        threshold = Threshold(**read)
        with name_taken_reported("a threshold", threshold.name):
            threshold.save(force_insert=True)
        _keep_version(threshold, by=by, reason=reason)
        _record("ThresholdAdded", threshold, after=told(threshold), reason=reason, permission="thresholds.create")
    return threshold


def change(
    threshold_id: int, values: Mapping[str, Any], *, by: Actor, reason: str = "", seen: int | None = None
) -> Threshold:
    """Change what ``values`` name; what changes nothing makes no version and is not recorded.

    ``seen`` is the version that was edited: :class:`Overtaken` if there is a newer one.
    """
    access.check(by, "thresholds.change")
    with events.recording(by):
        threshold = _locked(threshold_id)
        _refuse_stale(threshold, seen)
        _apply(threshold, values, "ThresholdChanged", by=by, reason=reason)
    return threshold


def switch(threshold_id: int, enabled: bool, *, by: Actor, reason: str = "") -> bool:
    """Have a threshold looked at, or no more. Returns whether that changed anything."""
    access.check(by, "thresholds.change")
    with events.recording(by):
        threshold = _locked(threshold_id)
        if threshold.enabled == enabled:
            return False
        action = "ThresholdEnabled" if enabled else "ThresholdDisabled"
        _apply(threshold, {"enabled": enabled}, action, by=by, reason=reason)
    return True


def restore(threshold_id: int, number: int, *, by: Actor, reason: str = "", seen: int | None = None) -> Threshold:
    """Make the threshold what it was in version ``number``, as a new version.

    Raises :class:`Conflict` if it is so already, :class:`Invalid` if what it looked at is gone.
    """
    access.check(by, "thresholds.change")
    with events.recording(by):
        threshold = _locked(threshold_id)
        _refuse_stale(threshold, seen)
        version = threshold.versions.filter(number=number).first()
        if version is None:
            raise NotFound(f"{threshold.name} has no version {number}; choose one of its {threshold.version}.")
        if not _apply(threshold, version.values, "ThresholdRestored", by=by, reason=reason, restores=number):
            raise Conflict(f"{threshold.name} is as it was in version {number} already.")
    return threshold


def remove(threshold_id: int, *, by: Actor, reason: str = "") -> int:
    """Remove a threshold with its versions; returns how many open alerts end with it, at the next tick."""
    access.check(by, "thresholds.remove")
    with events.recording(by):
        threshold = _locked(threshold_id)
        ending = open_alerts(threshold)
        before = told(threshold) | {"open_alerts": ending}
        _record("ThresholdRemoved", threshold, before=before, reason=reason, permission="thresholds.remove")
        threshold.delete()
    return ending


def open_alerts(threshold: Threshold) -> int:
    """How many alerts it has that are not resolved, which would end with it."""
    return threshold.alerts.exclude(status=AlertStatus.RESOLVED).count()


def install_usual(*, by: Actor) -> list[Threshold]:
    """Add those of the usual thresholds that there are none like; returns the new ones.

    One is like another if it looks at the same metric of all, in the same direction, whatever its name and limit.
    """
    access.check(by, "thresholds.create")
    with events.recording(by):
        rows = Threshold.objects.filter(scope_kind=ScopeKind.ALL).values_list("metric", "operator")
        known, names = set(rows), set(Threshold.objects.values_list("name", flat=True))
        wanted = [limits.completed(values) for values in USUAL]
        missing = [values for values in wanted if (values["metric"], values["operator"]) not in known]
        return [create(values, by=by) for values in missing if values["name"] not in names]


def whole(values: Mapping[str, Any], threshold: Threshold | None = None) -> dict[str, Any]:
    """Everything that ``values`` say of a new threshold, or of ``threshold``, whose scope is not asked for again.

    Raises :class:`Invalid` naming every bad field.
    """
    given = values if threshold is None else _merged(threshold, values)
    faults = limits.faults_of(given)
    read = {name: value for name, value in limits.completed(given).items() if name in FIELDS}
    kind, word = read["scope_kind"], read["scope_value"]
    is_kept = threshold is not None and (threshold.scope_kind, threshold.scope_value) == (kind, word)
    if not any(fault["path"] == "scope" for fault in faults) and kind != ScopeKind.ALL and not is_kept:
        found = scopes.resolve(kind, word)
        if found is None:
            faults.append(_missing(kind, word))
        else:
            read["scope_value"] = found
    if faults:
        raise Invalid(errors=faults)
    read |= {name: float(read[name]) for name in ("value", "recovery_value")}
    read["name"] = read["name"].strip() if "name" in read else _name(read)
    return read


def values_of(threshold: Threshold) -> dict[str, Any]:
    """All that a person can set, as a version keeps it."""
    return {name: getattr(threshold, name) for name in FIELDS}


def told(threshold: Threshold) -> dict[str, Any]:
    """The threshold as the audit trail keeps it: with its limit in words."""
    values = values_of(threshold)
    return values | {"limit": limit_words.sentence(values)}


def _apply(  # noqa: PLR0913  what a change is made of, by name
    threshold: Threshold,
    values: Mapping[str, Any],
    action: str,
    *,
    by: Actor,
    reason: str,
    restores: int | None = None,
) -> bool:
    """Change a locked threshold, with a version and an event; False if it is as ``values`` want it already."""
    before = told(threshold)
    for name, value in whole(values, threshold).items():
        setattr(threshold, name, value)
    after = told(threshold)
    changed = [name for name in after if after[name] != before[name]]
    if not changed:
        return False
    threshold.version += 1
    with name_taken_reported("a threshold", threshold.name):
        threshold.save(update_fields=[*FIELDS, "version", "updated_at"])
    _keep_version(threshold, by=by, reason=reason, restores=restores)
    _record(
        action,
        threshold,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
        reason=reason,
        permission="thresholds.change",
    )
    return True


def _merged(threshold: Threshold, values: Mapping[str, Any]) -> dict[str, Any]:
    """The threshold with ``values`` in place. A recovery value equal to the limit follows it unless it is given too."""
    kept = values_of(threshold)
    if "value" in values and "recovery_value" not in values and threshold.recovery_value == threshold.value:
        del kept["recovery_value"]
    return kept | dict(values)


def _missing(kind: str, word: str) -> FieldError:
    what = "No agent has the capability" if kind == ScopeKind.CAPABILITY else f"There is no {kind}"
    return {"path": "scope", "message": f"{what} {word}; give a name that there is."}


def _name(read: Mapping[str, Any]) -> str:
    kind, value = read["scope_kind"], read["scope_value"]
    subject = "" if kind == ScopeKind.ALL else scopes.in_words(read["metric"], kind, scopes.name_of(kind, value))
    return limit_words.name(read, subject)


def _free(name: str) -> str:
    """``name``, with a number if it is taken. Of two who ask at once the second is told that it is taken."""
    start = name[: limits.LONGEST_NAME - LONGEST_NUMBER]
    taken = set(Threshold.objects.filter(name__startswith=start).values_list("name", flat=True))
    numbered = (f"{start} ({number})" for number in count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def _keep_version(threshold: Threshold, *, by: Actor, reason: str, restores: int | None = None) -> None:
    ThresholdVersion.objects.create(
        threshold=threshold,
        number=threshold.version,
        values=values_of(threshold),
        made_by=by.label[:150],
        maker=User.objects.filter(pk=by.id).first() if by.kind == "person" and by.id.isdecimal() else None,
        made_at=timezone.now(),
        reason=reason,
        restores=restores,
    )


def _locked(threshold_id: int) -> Threshold:
    threshold = Threshold.objects.select_for_update(no_key=True).filter(pk=threshold_id).first()
    if threshold is None:
        raise NotFound("There is no such threshold; it may have been removed, so go back to the list.")
    return threshold


def _refuse_stale(threshold: Threshold, seen: int | None) -> None:
    if seen is None or seen == threshold.version:
        return
    newest = threshold.versions.first()
    who = newest.made_by if newest else "Somebody"
    raise Overtaken(
        f"{who} has changed {threshold.name} meanwhile: it is at version {threshold.version}, and you edited "
        f"version {seen}. Look at the difference, then save again.",
        target=_ref(threshold),
        version=threshold.version,
    )


def _ref(threshold: Threshold) -> Ref:
    return Ref("threshold", threshold.pk, threshold.name)


def _record(action: str, threshold: Threshold, **what: Any) -> None:
    events.record(action, target=_ref(threshold), **what)
