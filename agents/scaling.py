"""Whether a pool grows, shrinks or stays: one pure decision, on the same figures for the autoscaler and the try-out.

The rules, in this order:

1. Below its least size (also by time of day) it grows to it, above its greatest it shrinks to it, at once.
2. It grows by the rule that asks for most: queue, longest wait, slots in use; at most ``step_up`` at a time. While the
   breaker of every agent that it has is open it stays for those that wait: more like them would fail as they do.
3. It shrinks, at most ``step_down`` at a time, when few slots are in use and the smaller pool would not grow again.

Rules 2 and 3 wait for their cooldowns. More demand never means fewer members.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from agents import scaling_policy
from agents.scaling_policy import Minimum, Policy

UP, DOWN, STAY = "up", "down", "stay"

BELOW_MIN, ABOVE_MAX = "below_min", "above_max"
QUEUE, WAIT, BUSY, IDLE = "queue", "wait", "busy", "idle"
AT_MAX, AT_MIN, COOLING, STEADY, OFF, BROKEN = "at_max", "at_min", "cooling", "steady", "off", "broken"
"""Which rule decided."""

WITHIN = "Load and queue are within its policy."
ENOUGH = 1e-9
"""Rounding of fractions must not cost a member."""


@dataclass(frozen=True, slots=True)
class State:
    """A pool at a moment. ``size`` is what it should have; ``slots`` and ``in_use`` are those of the members it has.

    ``slots_each`` are those of one member; ``waiting`` and ``oldest_s`` say what waits for it; ``local`` is the time on
    the wall; ``since_up_s`` and ``since_down_s`` how long ago it grew and shrank, None if never; ``is_broken`` that no
    breaker of those who could take calls is closed.
    """

    size: int
    min_size: int
    max_size: int
    slots: int
    slots_each: int
    in_use: int
    waiting: int
    oldest_s: float
    local: datetime
    since_up_s: float | None = None
    since_down_s: float | None = None
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided: ``action`` is up, down or stay, ``code`` the rule; ``reason`` says it with its figures."""

    action: str
    target: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a rule asks for: so many members, because of ``why``, which ends without a stop."""

    target: int
    code: str
    why: str


def decide(policy: Policy, state: State, *, autoscales: bool = True) -> Decision:
    """What to do now."""
    low, by_time = scaling_policy.floor(policy, state.min_size, state.max_size, state.local)
    if state.size > state.max_size:
        return _changed(state, Wish(state.max_size, ABOVE_MAX, f"It may have at most {state.max_size}"))
    if not autoscales:
        return Decision(STAY, state.size, OFF, f"Autoscaling is off: {state.size} stay until somebody scales it.")
    if state.size < low:
        return _changed(state, Wish(low, BELOW_MIN, _floor_in_words(low, by_time)))
    helped = replace(state, waiting=0) if state.is_broken else state
    wish = max(_wishes(policy, helped), key=lambda each: each.target, default=None)
    if wish is not None:
        return _grow(policy, state, wish)
    if helped.waiting != state.waiting:
        return Decision(STAY, state.size, BROKEN, _broken(state))
    if _is_idle(policy, state):
        return _shrink(policy, state, low, by_time)
    return Decision(STAY, state.size, STEADY, WITHIN)


def _wishes(policy: Policy, state: State) -> Iterator[Wish]:
    """What the rules ask for that want it to grow."""
    size, waiting = state.size, state.waiting
    if waiting > policy.queue_per_agent * size:
        needed = max(size + 1, math.ceil(waiting / policy.queue_per_agent - ENOUGH))
        than = f"{waiting} wait for {_agents(size)}, more than {policy.queue_per_agent:g} each"
        yield Wish(needed, QUEUE, than if size else f"{waiting} wait and it has no agent")
    if waiting and state.oldest_s > policy.max_wait_s:
        oldest = f"The oldest of {waiting} has" if waiting > 1 else "One has"
        why = f"{oldest} waited {seconds(state.oldest_s)}, longer than {seconds(policy.max_wait_s)}"
        yield Wish(size + policy.step_up, WAIT, why)
    needed = math.ceil(state.in_use / (policy.target_utilisation * state.slots_each) - ENOUGH)
    if needed > size:
        share = f"{_used(state)}, {_percent(state.in_use / max(1, state.slots))}"
        yield Wish(needed, BUSY, f"{share} where {_percent(policy.target_utilisation)} is the aim")


def _grow(policy: Policy, state: State, wish: Wish) -> Decision:
    if state.size >= state.max_size:
        return Decision(STAY, state.size, AT_MAX, f"{wish.why}, but {state.max_size} is its maximum.")
    if (ago := state.since_up_s) is not None and ago < policy.cooldown_up_s:
        rest = f"it grew {seconds(ago)} ago and rests for {seconds(policy.cooldown_up_s)}"
        return Decision(STAY, state.size, COOLING, f"{wish.why}, but {rest}.")
    target = min(wish.target, state.size + policy.step_up, state.max_size)
    return _changed(state, Wish(target, wish.code, wish.why))


def _is_idle(policy: Policy, state: State) -> bool:
    """Whether little is in use; with a bound of 0 it never is."""
    if not state.slots:
        return policy.down_utilisation > 0
    return state.in_use < policy.down_utilisation * state.slots


def _shrink(policy: Policy, state: State, low: int, by_time: Minimum | None) -> Decision:
    if state.size <= low:
        until = f"at least {low} are wanted until {scaling_policy.clock(by_time.end)}" if by_time else ""
        return Decision(STAY, state.size, AT_MIN, f"{_used(state)}, but {until or f'{low} is its minimum'}.")
    smaller = range(max(low, state.size - policy.step_down), state.size)
    target = next((size for size in smaller if _suffices(policy, state, size)), None)
    if target is None:
        return Decision(STAY, state.size, STEADY, WITHIN)
    changes = [ago for ago in (state.since_up_s, state.since_down_s) if ago is not None]
    if changes and min(changes) < policy.cooldown_down_s:
        rest = f"it changed {seconds(min(changes))} ago and shrinks only {seconds(policy.cooldown_down_s)} after that"
        return Decision(STAY, state.size, COOLING, f"{_used(state)}, but {rest}.")
    queue = f"only {state.waiting} wait" if state.waiting > 1 else "only 1 waits" if state.waiting else "nothing waits"
    return _changed(
        state, Wish(target, IDLE, f"{_used(state)}, less than {_percent(policy.down_utilisation)}, and {queue}")
    )


def _suffices(policy: Policy, state: State, size: int) -> bool:
    """Whether ``size`` members would do without growing again at once."""
    return next(_wishes(policy, replace(state, size=size)), None) is None


def _changed(state: State, wish: Wish) -> Decision:
    by = wish.target - state.size
    how = f"{by} more, up to {wish.target}" if by > 0 else f"{-by} fewer, down to {wish.target}"
    return Decision(UP if by > 0 else DOWN, wish.target, wish.code, f"{wish.why}: {how}.")


def _floor_in_words(low: int, by_time: Minimum | None) -> str:
    if by_time is None:
        return f"{low} is its minimum"
    return (
        f"At least {low} are wanted from {scaling_policy.clock(by_time.start)} to {scaling_policy.clock(by_time.end)}"
    )


def _broken(state: State) -> str:
    them = f"the {state.waiting} that wait" if state.waiting > 1 else "the one that waits"
    return f"The breaker of every agent that it has is open, so more of the same would not help {them}."


def _agents(count: int) -> str:
    return f"{count} agent" if count == 1 else f"{count} agents"


def _used(state: State) -> str:
    return f"{state.in_use} of {state.slots} slots {'is' if state.in_use == 1 else 'are'} in use"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def seconds(value: float) -> str:
    """A length of time in words: ``0.5 s``, ``42 s``, ``2 min``, ``1 h 30 min``."""
    if value < 10 and value != int(value):
        return f"{value:.1f} s"
    whole = int(value)
    if whole < 120:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
