"""The verbs for routes: the only writer of Route. After each change the alerts that fire are routed anew."""

from collections.abc import Mapping, Sequence
from typing import Any

from monitoring.models import Channel, Route, Severity
from monitoring.notification import matchers, planner, quiet
from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import FieldError, Invalid, NotFound, field_error
from orchestra.kernel.events import Ref
from orchestra.kernel.models import Role
from orchestra.kernel.naming import name_taken_reported

access.grant({"routes.create": Role.ADMIN, "routes.change": Role.ADMIN, "routes.remove": Role.ADMIN})

COLUMNS = (
    "name", "severities", "matchers", "group_by", "wait_s", "interval_s", "repeat_s", "quiet", "escalate_after_s",
    "continues", "enabled",
)  # fmt: skip
SETS = ("channels", "escalate_to")
FIELDS = (*COLUMNS, *SETS)
DEFAULTS: Mapping[str, Any] = {
    "name": "",
    "severities": [],
    "matchers": [],
    "group_by": ["threshold"],
    "wait_s": 30,
    "interval_s": 300,
    "repeat_s": 14_400,
    "quiet": {},
    "escalate_after_s": 0,
    "continues": False,
    "enabled": True,
    "channels": [],
    "escalate_to": [],
}
LONGEST_NAME, LONGEST_S = 100, 30 * 86_400
LEAST: Mapping[str, int] = {"wait_s": 0, "interval_s": 0, "repeat_s": 60, "escalate_after_s": 60}
"""The least that each time may be, where it is not 0."""
STEP = 10
MOST = 200


def create(values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Route:
    """Add a route after all others. ``values`` may hold :data:`FIELDS`; channels by number. Raises :class:`Invalid`."""
    access.check(by, "routes.create")
    given = {**DEFAULTS, **{name: values[name] for name in FIELDS if name in values}}
    check(given)
    with events.recording(by):
        others = _in_order()
        if len(others) >= MOST:
            raise field_error("name", f"There are {MOST} routes; remove some of them first.")
        position = others[-1].position + STEP if others else STEP
        route = Route(position=position, **_kept(given))
        with name_taken_reported("a route", route.name):
            route.save(force_insert=True)
        _set(route, given)
        _record("RouteCreated", route, after=describe(route), reason=reason, permission="routes.create")
        planner.route_again()
    return route


def change(pk: int, values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Route:
    """Change the :data:`FIELDS` that ``values`` names. What changes nothing is not recorded."""
    access.check(by, "routes.change")
    with events.recording(by):
        route = _locked(pk)
        before = describe(route)
        given = {**before, **{name: values[name] for name in FIELDS if name in values}}
        check(given)
        for name, value in _kept(given).items():
            setattr(route, name, value)
        _set(route, given)
        after = describe(route)
        changed = [name for name in after if before[name] != after[name]]
        if changed:
            with name_taken_reported("a route", route.name):
                route.save(update_fields=COLUMNS)
            old, new = ({name: state[name] for name in changed} for state in (before, after))
            _record(_action_of(changed, after), route, before=old, after=new, reason=reason, permission="routes.change")
            planner.route_again()
    return route


def move(pk: int, *, up: bool, by: Actor) -> Route:
    """Have a route asked before the one above it, or after the one below; at the end it stays."""
    access.check(by, "routes.change")
    with events.recording(by):
        order = _in_order()
        index = next((index for index, route in enumerate(order) if route.pk == pk), None)
        if index is None:
            raise _gone()
        other = index - 1 if up else index + 1
        if not 0 <= other < len(order):
            return order[index]
        order[index], order[other] = order[other], order[index]
        for place, route in enumerate(order, start=1):
            route.position = place * STEP
        Route.objects.bulk_update(order, ["position"])
        moved, passed = order[other], order[index]
        after = {"before" if up else "after": passed.name}
        _record("RouteMoved", moved, after=after, permission="routes.change")
        planner.route_again()
    return moved


def remove(pk: int, *, by: Actor, reason: str = "") -> None:
    """Remove a route; what it would have taken goes to those after it, or the built-in way."""
    access.check(by, "routes.remove")
    with events.recording(by):
        route = _locked(pk)
        _record("RouteRemoved", route, before=describe(route), reason=reason, permission="routes.remove")
        route.delete()
        planner.route_again()


def check(values: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` that names every bad field of a whole route, if there is one."""
    faults = [
        *_faults_of_words(values),
        *matchers.faults_of(values["matchers"]),
        *_faults_of_times(values),
        *quiet.faults_of(values["quiet"]),
        *_faults_of_channels(values),
    ]
    if faults:
        raise Invalid(errors=faults)


def describe(route: Route) -> dict[str, Any]:
    """All that can be set of a route, channels by number."""
    columns = {name: getattr(route, name) for name in COLUMNS}
    return columns | {name: sorted(getattr(route, name).values_list("pk", flat=True)) for name in SETS}


def _faults_of_words(values: Mapping[str, Any]) -> list[FieldError]:
    faults: list[FieldError] = []
    name = values["name"]
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        faults.append({"path": "name", "message": f"Give it a name of at most {LONGEST_NAME} characters."})
    for field, known in (("severities", Severity.values), ("group_by", matchers.LABELS)):
        given = values[field]
        if not isinstance(given, list | tuple) or any(one not in known for one in given):
            faults.append({"path": field, "message": f"Give a list of {', '.join(known)}."})
    flags = [field for field in ("continues", "enabled") if not isinstance(values[field], bool)]
    faults += [{"path": field, "message": "Say true or false."} for field in flags]
    return faults


def _faults_of_times(values: Mapping[str, Any]) -> list[FieldError]:
    faults: list[FieldError] = []
    for name, least in LEAST.items():
        given = values[name]
        fits = isinstance(given, int) and not isinstance(given, bool) and (given == 0 or least <= given <= LONGEST_S)
        if not fits:
            none = "0, or " if least else ""
            said = f"Give {none}whole seconds from {least} to {LONGEST_S:,}, which are 30 days."
            faults.append({"path": name, "message": said})
    if not faults and values["escalate_after_s"] and not values["escalate_to"]:
        said = "Choose who is told when nobody acknowledges, or leave the time 0."
        faults.append({"path": "escalate_to", "message": said})
    return faults


def _faults_of_channels(values: Mapping[str, Any]) -> list[FieldError]:
    faults: list[FieldError] = []
    for name in SETS:
        given = values[name]
        if not isinstance(given, list | tuple) or not all(map(_is_number, given)):
            faults.append({"path": name, "message": "Give a list of numbers of channels."})
            continue
        known = set(Channel.objects.filter(pk__in=given).values_list("pk", flat=True)) if given else set()
        if missing := sorted(set(given) - known):
            faults.append({"path": name, "message": f"There is no channel #{missing[0]}; choose one of the list."})
    return faults


def _is_number(pk: Any) -> bool:
    return isinstance(pk, int) and not isinstance(pk, bool) and 0 < pk < 2**63


def _kept(given: Mapping[str, Any]) -> dict[str, Any]:
    """The columns as they are stored."""
    kept = {name: given[name] for name in COLUMNS}
    kept["matchers"] = matchers.cleaned(given["matchers"])
    kept["severities"] = [one for one in Severity.values if one in given["severities"]]
    kept["group_by"] = [one for one in matchers.LABELS if one in given["group_by"]]
    kept["name"] = given["name"].strip()
    return kept


def _set(route: Route, given: Mapping[str, Sequence[int]]) -> None:
    for name in SETS:
        getattr(route, name).set(given[name])


def _action_of(changed: Sequence[str], after: Mapping[str, Any]) -> str:
    if list(changed) == ["enabled"]:
        return "RouteEnabled" if after["enabled"] else "RouteDisabled"
    return "RouteChanged"


def _in_order() -> list[Route]:
    return list(Route.objects.select_for_update(no_key=True).order_by("position", "pk"))


def _locked(pk: int) -> Route:
    found = Route.objects.select_for_update(no_key=True).filter(pk=pk).first()
    if found is None:
        raise _gone()
    return found


def _gone() -> NotFound:
    return NotFound("There is no such route; it may have been removed, so go back to the list.")


def _record(action: str, route: Route, **what: Any) -> None:
    events.record(action, target=Ref("route", route.pk, route.name), **what)
