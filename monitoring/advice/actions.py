"""What the buttons of recommendations do: a table of actions, each the owner's own verb with what it will change.

An action's arguments name its subject and hold two tables: what the subject was when this was advised (``before``) and
what it is to be (``after``). It is carried out only while ``before`` still holds, and the verb checks its own
permission. With the two tables exchanged it undoes itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from agents import fleet, pools, resources
from agents.models import Agent, AgentStatus, Pool, Resource
from monitoring.alerting import thresholds
from monitoring.models import Threshold
from orchestra.kernel import access
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, NotFound
from orchestra.kernel.wording import duration
from workflows import definitions
from workflows.models import Workflow

Row = TypeVar("Row", bound=Model)
Table = Mapping[str, Any]
Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """Who has an action carried out, and why."""

    by: Actor
    reason: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What an action is about, as it is now: its name, and its values of those that the action would change."""

    label: str
    now: Table


@dataclass(frozen=True, slots=True)
class Verb:
    """``look`` reads the subject (and may lock its row), ``perform`` changes it, ``explain`` says what will happen."""

    look: Callable[[Arguments, bool], Subject]
    perform: Callable[[Arguments, Table, Ask], object]
    explain: Callable[[Subject, Table, Table], list[str]]
    permissions: Callable[[Table], tuple[str, ...]]


class Overtaken(Conflict):
    """What this was advised about has changed since; look at it as it is now."""

    code = "overtaken"


def perform(action: Mapping[str, Any], *, by: Actor, reason: str, undo: bool = False) -> None:
    """Carry out the action of a recommendation, or undo it; joins the unit. Raises :class:`Conflict` if it is stale."""
    verb, arguments = _verb_of(action), action["arguments"]
    before, after = _tables(arguments, undo=undo)
    subject = verb.look(arguments, True)
    if any(subject.now.get(name) != value for name, value in before.items()):
        raise Overtaken(_overtaken(subject, before))
    verb.perform(arguments, after, Ask(by, reason))


def can_be_applied(action: Mapping[str, Any]) -> bool:
    """Whether there is a button for it at all."""
    return action.get("verb") in VERBS


def is_allowed(action: Mapping[str, Any], user: Any) -> bool:
    """Whether the person may do all that it does."""
    if not can_be_applied(action):
        return False
    return all(access.can(user, name) for name in _verb_of(action).permissions(action["arguments"]["after"]))


def explain(action: Mapping[str, Any], *, undo: bool = False) -> list[str]:
    """What will happen, in sentences; none where there is nothing to apply or its subject is gone."""
    if not can_be_applied(action):
        return []
    verb, (before, after) = _verb_of(action), _tables(action["arguments"], undo=undo)
    try:
        return verb.explain(verb.look(action["arguments"], False), before, after)
    except NotFound:
        return []


def _tables(arguments: Arguments, *, undo: bool) -> tuple[Table, Table]:
    before, after = arguments["before"], arguments["after"]
    return (after, before) if undo else (before, after)


def _verb_of(action: Mapping[str, Any]) -> Verb:
    verb = VERBS.get(action.get("verb", ""))
    if verb is None:
        raise Conflict("Nothing can be applied here: follow its link, and dismiss it when that is done.")
    return verb


def _overtaken(subject: Subject, before: Table) -> str:
    changed = [name for name, value in before.items() if subject.now.get(name) != value]
    said = " and ".join(f"{name.replace('_', ' ')} is {_short(subject.now.get(name))} now" for name in changed)
    return f"{subject.label} has changed since this was advised: its {said}. Look at it again."


def _short(value: Any) -> str:
    return "not set" if value is None else str(value)[:80]


def _rows(rows: QuerySet[Row], locked: bool) -> QuerySet[Row]:
    return rows.select_for_update(no_key=True) if locked else rows


# Pools


def _pool(arguments: Arguments, locked: bool) -> Subject:
    pool = _rows(Pool.objects.all(), locked).filter(pk=arguments["pool"]).first()
    if pool is None:
        raise NotFound("The pool is gone; dismiss this recommendation.")
    return Subject(f"The pool {pool.name}", {name: getattr(pool, name) for name in ("min_size", "max_size", "target")})


def _resize(arguments: Arguments, after: Table, ask: Ask) -> None:
    """A greater maximum comes before the size that needs it; a smaller one, as when this is undone, after it."""
    limits = {name: value for name, value in after.items() if name != "target"}
    raises = all(value >= getattr(Pool.objects.get(pk=arguments["pool"]), name) for name, value in limits.items())
    if limits and raises:
        pools.change(arguments["pool"], limits, by=ask.by, reason=ask.reason)
    if "target" in after:
        pools.scale(arguments["pool"], after["target"], by=ask.by, reason=ask.reason)
    if limits and not raises:
        pools.change(arguments["pool"], limits, by=ask.by, reason=ask.reason)


_SIZES = {"min_size": "minimum", "max_size": "maximum", "target": "size"}


def _explain_resizing(subject: Subject, before: Table, after: Table) -> list[str]:
    changes = [f"its {_SIZES[name]} becomes {size} instead of {before[name]}" for name, size in after.items()]
    said = [f"{subject.label} changes: {' and '.join(changes)}."]
    if "target" not in after:
        said.append("Its policy goes on deciding on its size, within these limits.")
    return said


def _permissions_of_sizes(after: Table) -> tuple[str, ...]:
    limits = ("pools.change",) if after.keys() - {"target"} else ()
    return (*limits, "pools.scale") if "target" in after else limits


# Agents


def _agent(arguments: Arguments, locked: bool) -> Subject:
    agent = _rows(Agent.objects.all(), locked).filter(pk=arguments["agent"]).first()
    if agent is None:
        raise NotFound("The agent is gone; dismiss this recommendation.")
    return Subject(agent.name, {"status": agent.status})


def _move_agent(arguments: Arguments, after: Table, ask: Ask) -> None:
    fleet.set_status(arguments["agent"], AgentStatus(after["status"]), by=ask.by, reason=ask.reason)


_OF_STATUS = {
    AgentStatus.DRAINING: "begins no more calls; those in flight end as usual. Enable it once it is mended.",
    AgentStatus.DISABLED: "begins no more calls until somebody enables it; those in flight end as usual.",
    AgentStatus.ONLINE: "takes calls again at once.",
}


def _explain_moving(subject: Subject, _before: Table, after: Table) -> list[str]:
    return [f"{subject.label} {_OF_STATUS[AgentStatus(after['status'])]}"]


# Resources


def _resource(arguments: Arguments, _locked: bool) -> Subject:
    resource = Resource.objects.filter(pk=arguments["resource"]).first()
    if resource is None:
        raise NotFound("The resource is gone; dismiss this recommendation.")
    return Subject(f"The resource {resource.name}", {"enabled": resource.enabled})


def _switch_resource(arguments: Arguments, after: Table, ask: Ask) -> None:
    resources.change(arguments["resource"], {"enabled": after["enabled"]}, by=ask.by, reason=ask.reason)


def _explain_switching(subject: Subject, _before: Table, after: Table) -> list[str]:
    if after["enabled"]:
        return [f"{subject.label} is granted again to whoever asks for it."]
    return [f"{subject.label} is granted to nobody any more until somebody enables it. Nothing is held of it now."]


# Steps


def _step(arguments: Arguments, locked: bool) -> Subject:
    name, step = arguments["workflow"], arguments["step"]
    _rows(Workflow.objects.all(), locked).filter(name=name).first()
    found = _entry(definitions.newest(name).definition, step)
    if found is None:
        raise NotFound(f"The workflow {name} has no step {step} any more; dismiss this recommendation.")
    return Subject(f"Step {step} of {name}", found)


def _entry(definition: Mapping[str, Any], step: str) -> dict[str, Any] | None:
    return next((entry for entry in definition["steps"] if entry["name"] == step), None)


def _revise(arguments: Arguments, after: Table, ask: Ask) -> None:
    """Publish a version with the step as it is to be; None takes a field away."""
    newest = definitions.newest(arguments["workflow"])
    steps = [dict(entry) for entry in newest.definition["steps"]]
    entry = _entry({"steps": steps}, arguments["step"])
    assert entry is not None
    for name, value in after.items():
        entry.pop(name, None)
        if value is not None:
            entry[name] = value
    source = {**newest.definition, "steps": steps}
    definitions.revise(arguments["workflow"], source, upon=newest.number, by=ask.by, reason=ask.reason)


def _explain_revision(subject: Subject, before: Table, after: Table) -> list[str]:
    said = [f"{subject.label}: {name} {_of_field(before.get(name), value)}." for name, value in after.items()]
    return [*said, "A new version of the workflow is published; runs that have begun stay on theirs."]


def _of_field(before: Any, after: Any) -> str:
    if after is None:
        return "is left to its default again"
    was = "its default" if before is None else _value(before)
    return f"becomes {_value(after)} instead of {was}"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return duration(value) if isinstance(value, int | float) else str(value)


# Thresholds


def _threshold(arguments: Arguments, locked: bool) -> Subject:
    threshold = _rows(Threshold.objects.all(), locked).filter(pk=arguments["threshold"]).first()
    if threshold is None:
        raise NotFound("The threshold is gone; dismiss this recommendation.")
    return Subject(f"The threshold {threshold.name}", thresholds.values_of(threshold))


def _change_threshold(arguments: Arguments, after: Table, ask: Ask) -> None:
    thresholds.change(arguments["threshold"], after, by=ask.by, reason=ask.reason)


def _explain_threshold(subject: Subject, before: Table, after: Table) -> list[str]:
    fires = f"it fires after {duration(after['for_s'])} instead of {duration(before['for_s'])}"
    return [f"{subject.label} gets a new version: {fires}. Alerts that are open go on."]


VERBS: Mapping[str, Verb] = {
    "resize_pool": Verb(_pool, _resize, _explain_resizing, _permissions_of_sizes),
    "move_agent": Verb(_agent, _move_agent, _explain_moving, lambda _: ("agents.operate",)),
    "switch_resource": Verb(_resource, _switch_resource, _explain_switching, lambda _: ("resources.change",)),
    "revise_step": Verb(_step, _revise, _explain_revision, lambda _: ("workflows.publish",)),
    "change_threshold": Verb(_threshold, _change_threshold, _explain_threshold, lambda _: ("thresholds.change",)),
}
"""Advice with another action, ``open``, only leads somewhere: nothing here carries it out."""
