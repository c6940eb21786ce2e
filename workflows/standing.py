"""Where ready steps stand in their queues, and what of them holds a step up: admission's own rules, put into words."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.urls import reverse

from orchestra.kernel import registry
from workflows import admission, backlog, queues
from workflows.admission import FULL, KEY, PAUSED, Policy, Refusal, Use
from workflows.models import Step, StepStatus
from workflows.reasons import Reason, clock

MOST_AHEAD = 100
"""Steps before one are counted up to here."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is set for the queues of some steps, what runs of them, who holds their keys, how many stand before each."""

    policies: Mapping[str, Policy] = field(default_factory=dict)
    use: Use = field(default_factory=Use)
    holders: Mapping[str, int] = field(default_factory=dict)
    """A run that holds a key, by the key."""
    ahead: Mapping[int, int] = field(default_factory=dict)
    """Steps that stand before one, by its number, counted up to ``MOST_AHEAD + 1``."""

    def policy(self, name: str) -> Policy:
        return self.policies.get(name, Policy(name))


def read(steps: Collection[Step], now: datetime) -> Standing:
    """The standing of ``steps``, in at most four queries however many they are."""
    policies = queues.policies_of({step.queue for step in steps})
    limited = [name for name, policy in policies.items() if policy.max_concurrency is not None]
    held = _held({step.lock_key for step in steps if step.lock_key}, now)
    use = Use(backlog.running(limited, now), {key: len(runs) for key, runs in held.items()})
    ahead = backlog.ahead([step.pk for step in steps], MOST_AHEAD + 1)
    return Standing(policies, use, {key: runs[0] for key, runs in held.items()}, ahead)


def hold_up(step: Step, standing: Standing, now: datetime) -> Reason | None:
    """What of its queue or its key keeps ``step`` from starting; None if nothing does but its place."""
    policy = standing.policy(step.queue)
    refusal = admission.obstacle_of(policy, standing.use.by_queue.get(step.queue, 0), now)
    if refusal is None:
        refusal = admission.obstacle_of_key(policy, step.lock_key, step.lock_limit, standing.use)
    if refusal is None:
        return None
    if refusal.code == KEY:
        return _of_key(refusal, standing)
    return Reason(refusal.code, _of_queue(refusal, policy, now), reverse("queue", args=[step.queue]))


def with_place(reason: Reason, step: Step, standing: Standing) -> Reason:
    """The reason with the step's place in its queue, if others stand before it."""
    ahead = standing.ahead.get(step.pk or 0, 0)
    if not ahead:
        return reason
    count = f"More than {MOST_AHEAD} steps stand" if ahead > MOST_AHEAD else f"{ahead} steps stand"
    count = "1 step stands" if ahead == 1 else count
    link = reason.link or reverse("queue", args=[step.queue])
    return replace(reason, detail=f"{reason.detail} {count} before it in queue {step.queue}.", link=link)


def _held(keys: Collection[str], now: datetime) -> dict[str, list[int]]:
    """The runs that hold each key, by unexpired leases."""
    held: dict[str, list[int]] = {}
    if keys:
        running = Step.objects.filter(status=StepStatus.RUNNING, lock_key__in=keys, lease_expires_at__gt=now)
        for key, run in running.order_by("pk").values_list("lock_key", "run_id"):
            held.setdefault(key, []).append(run)
    return held


def _of_queue(refusal: Refusal, policy: Policy, now: datetime) -> str:
    if refusal.code == PAUSED:
        why = policy.paused_reason.strip().rstrip(".")
        return f"Queue {policy.name} is paused{f': {why}' if why else ''}. Resume it to let its steps start."
    if refusal.code == FULL:
        return f"Queue {policy.name} has {refusal.used} of {refusal.limit} steps running; it starts when one has ended."
    assert refusal.until is not None and policy.rate_per_s is not None
    rate = f"{policy.rate_per_s:g} a second"
    return f"Queue {policy.name} starts at most {rate}; the next one may at {clock(refusal.until, now)}."


def _of_key(refusal: Refusal, standing: Standing) -> Reason:
    run = standing.holders.get(refusal.key)
    who = f"run #{run} has" if refusal.limit == 1 and run else f"{refusal.used} have"
    detail = f"At most {refusal.limit} with the key {refusal.key} may run at a time, and {who} it."
    return Reason(KEY, detail, (run and registry.link("run", str(run))) or "")
