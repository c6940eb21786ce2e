"""The channels' verbs: the only writer of Channel."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django.db.models import Q
from django.utils import timezone

from monitoring.models import Channel, ChannelKind, Route
from monitoring.notification import delivery
from monitoring.notification.kinds import KINDS
from monitoring.notification.kinds.base import Undelivered
from monitoring.notification.letters import Letter
from orchestra.kernel import access, events
from orchestra.kernel.access import Actor
from orchestra.kernel.errors import Conflict, FieldError, Invalid, NotFound
from orchestra.kernel.events import Outcome, Ref
from orchestra.kernel.models import Role
from orchestra.kernel.naming import name_taken_reported

access.grant(
    {
        "channels.create": Role.ADMIN,
        "channels.change": Role.ADMIN,
        "channels.remove": Role.ADMIN,
        "channels.test": Role.ADMIN,
    }
)

FIELDS = ("name", "config", "enabled")
LONGEST_NAME, MAX_SECRET = 100, 8 * 1024
TEST = "test"


def create(kind: str, values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Channel:
    """Add a channel. ``values`` may hold :data:`FIELDS` and ``secrets``, a table. Raises :class:`Invalid`."""
    access.check(by, "channels.create")
    given = {"name": "", "config": {}, "enabled": True, **values}
    check(kind, given)
    with events.recording(by):
        fields = {name: given[name] for name in FIELDS}
        channel = Channel(kind=kind, secrets=merged_secrets({}, values) or None, **fields)
        with name_taken_reported("a channel", channel.name):
            channel.save(force_insert=True)
        _record("ChannelCreated", channel, after=describe(channel), reason=reason, permission="channels.create")
    return channel


def change(pk: int, values: Mapping[str, Any], *, by: Actor, reason: str = "") -> Channel:
    """Change the :data:`FIELDS` that ``values`` names. Of the secrets, those that are named change; an empty one goes.

    What changes nothing is not recorded.
    """
    access.check(by, "channels.change")
    with events.recording(by):
        channel = _locked(pk)
        before, old_secrets = describe(channel), channel.secrets or {}
        given = {name: values.get(name, getattr(channel, name)) for name in FIELDS}
        merged = merged_secrets(old_secrets, values)
        check(channel.kind, {**given, "secrets": merged})
        for name, value in given.items():
            setattr(channel, name, value)
        channel.secrets = merged or None
        after = describe(channel)
        changed = [name for name in after if before.get(name) != after[name]]
        if changed or merged != old_secrets:
            with name_taken_reported("a channel", channel.name):
                channel.save(update_fields=[*FIELDS, "secrets"])
            action = _action_of(changed, channel) if merged == old_secrets else "ChannelChanged"
            old, new = ({name: state[name] for name in changed} for state in (before, after))
            _record(action, channel, before=old, after=new, reason=reason, permission="channels.change")
    return channel


def remove(pk: int, *, by: Actor, reason: str = "") -> None:
    """Remove a channel that no route uses; its notifications stay, with its name. Raises :class:`Conflict`."""
    access.check(by, "channels.remove")
    with events.recording(by):
        channel = _locked(pk)
        if used := routes_of(channel.pk):
            names = ", ".join(f"“{route.name}”" for route in used[:5])
            raise Conflict(f"Route{'s' if len(used) > 1 else ''} {names} would tell nobody; change that first.")
        _record("ChannelRemoved", channel, before=describe(channel), reason=reason, permission="channels.remove")
        channel.delete()


def test(pk: int, *, by: Actor) -> Channel:
    """Send a message that says it is a test, at once; the channel keeps how that ended. Takes up to ten seconds."""
    access.check(by, "channels.test")
    channel = Channel.objects.filter(pk=pk).first()
    if channel is None:
        raise NotFound("There is no such channel; it may have been removed, so go back to the list.")
    try:
        said, passed = delivery.send(_as_enabled(channel), _letter(channel, by)), True
    except Undelivered as error:
        said, passed = str(error), False
    with events.recording(by):
        channel = _locked(pk)
        channel.tested_at, channel.tested_by = timezone.now(), by.label[:150]
        channel.test_passed, channel.test_said = passed, said
        channel.save(update_fields=["tested_at", "tested_by", "test_passed", "test_said"])
        outcome = Outcome.SUCCEEDED if passed else Outcome.FAILED
        _record("ChannelTested", channel, reason=said, outcome=outcome, permission="channels.test")
    return channel


def check(kind: str, values: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` that names every bad field, if there is one; ``secrets`` are those that there will be."""
    if kind not in ChannelKind.values:
        raise Invalid(errors=[{"path": "kind", "message": f"Choose one of {', '.join(ChannelKind.values)}."}])
    faults: list[FieldError] = []
    name, config, secrets = values.get("name", ""), values.get("config", {}), values.get("secrets") or {}
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        faults.append({"path": "name", "message": f"Give it a name of at most {LONGEST_NAME} characters."})
    if not isinstance(values.get("enabled", True), bool):
        faults.append({"path": "enabled", "message": "Say true or false."})
    faults += _faults_of_secrets(kind, secrets)
    if not isinstance(config, Mapping):
        faults.append({"path": "config", "message": "Give a table of settings."})
    elif not any(fault["path"].startswith("secrets") for fault in faults):
        faults += KINDS[kind].faults(config, secrets)
    if faults:
        raise Invalid(errors=faults)


def describe(channel: Channel) -> dict[str, Any]:
    """The channel as the audit trail keeps it: of its secrets the names."""
    return {
        "name": channel.name,
        "kind": channel.kind,
        "config": channel.config,
        "enabled": channel.enabled,
        "secrets": sorted(channel.secrets or {}),
    }


def routes_of(pk: int) -> list[Route]:
    """The routes that use a channel, at once or when nobody acknowledges."""
    return list(Route.objects.filter(Q(channels=pk) | Q(escalate_to=pk)).distinct().order_by("position", "pk"))


def _faults_of_secrets(kind: str, given: Any) -> list[FieldError]:
    if not isinstance(given, Mapping):
        return [{"path": "secrets", "message": "Give a table of secrets."}]
    known = KINDS[kind].secrets
    faults: list[FieldError] = []
    for name, value in given.items():
        if name not in known:
            said = f"It uses no such secret; known: {', '.join(known) or 'none'}."
            faults.append({"path": f"secrets.{name}", "message": said})
        elif not isinstance(value, str) or len(value) > MAX_SECRET or "\x00" in value:
            faults.append({"path": f"secrets.{name}", "message": f"Give a text of at most {MAX_SECRET:,} characters."})
    return faults


def merged_secrets(stored: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The secrets that there will be: of those that are ``stored``, the ones that ``values`` name change."""
    given = values.get("secrets") or {}
    if not isinstance(given, Mapping):
        return {"given": given}  # which the check refuses
    return {name: value for name, value in {**stored, **given}.items() if value}


def _as_enabled(channel: Channel) -> Channel:
    """One that is switched off can be tested before it is switched on."""
    channel.enabled = True
    return channel


def _letter(channel: Channel, by: Actor) -> Letter:
    return Letter(
        key=str(uuid4()),
        kind=TEST,
        subject=f"A test of the channel {channel.name}",
        text=f"{by.label} tests whether notifications of Orchestra arrive here. Nothing is wrong.",
        at=timezone.now(),
    )


def _action_of(changed: list[str], channel: Channel) -> str:
    if changed == ["enabled"]:
        return "ChannelEnabled" if channel.enabled else "ChannelDisabled"
    return "ChannelChanged"


def _locked(pk: int) -> Channel:
    found = Channel.objects.select_for_update(no_key=True).filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such channel; it may have been removed, so go back to the list.")
    return found


def _record(action: str, channel: Channel, **what: Any) -> None:
    events.record(action, target=Ref("channel", channel.pk, channel.name), **what)
