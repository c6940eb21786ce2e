"""Agents that fail while others could do their work, and agents that nobody calls. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from monitoring.advice.advised import Action, Advice, Evidence, Subject, counted, times

FAILING, UNUSED = "failing_agent", "unused_agent"
LEAST_CALLS = 20
FAILS, FAILS_ALWAYS = 0.3, 0.9
OPENINGS = 3
"""Times that a breaker opens in a day from which on it does so again and again."""
IDLE_DAYS = 14


@dataclass(frozen=True, slots=True)
class FailingFacts:
    """An agent with its calls of the last day. ``substitutes`` are healthy agents for its rarest capability."""

    id: int
    name: str
    calls: int
    failed: int
    openings: int
    substitutes: int
    rarest: str
    last_error: str
    url: str
    events_url: str
    others_url: str


@dataclass(frozen=True, slots=True)
class IdleFacts:
    """An agent that is online, belongs to no pool, and has not been called for so many days, or never."""

    id: int
    name: str
    days: int
    was_called: bool
    capabilities: tuple[str, ...]
    url: str


def advise_failing(agent: FailingFacts) -> Iterator[Advice]:
    if agent.calls < LEAST_CALLS or agent.substitutes < 1:
        return
    share = agent.failed / agent.calls
    if share < FAILS and agent.openings < OPENINGS:
        return
    is_useless = share >= FAILS_ALWAYS
    status, does = ("disabled", "Disable it") if is_useless else ("draining", "Drain it")
    opened = f", and its breaker opened {times(agent.openings)}" if agent.openings else ""
    others = counted(agent.substitutes, "other healthy agent")
    yield Advice(
        FAILING,
        Subject("agent", str(agent.id), agent.name),
        f"{agent.name} failed in {agent.failed:,} of {counted(agent.calls, 'call')} in the last day{opened}. "
        f"{others} can do {agent.rarest}: {does[0].lower()}{does[1:]} until it is mended.",
        weight=share + agent.openings / 10,
        evidence=(
            Evidence("Failed in the last day", share, "share", agent.url),
            Evidence("Calls in the last day", agent.calls, "count", agent.url),
            Evidence("Times that its breaker opened", agent.openings, "count", agent.events_url),
            Evidence(f"Others for {agent.rarest}", agent.substitutes, "count", agent.others_url),
            *((Evidence("Its last error", agent.last_error, ""),) if agent.last_error else ()),
        ),
        action=_becomes(agent.id, status, does),
    )


def advise_idle(agent: IdleFacts) -> Iterator[Advice]:
    if agent.days < IDLE_DAYS:
        return
    since = f"for {agent.days} days" if agent.was_called else f"in the {agent.days} days that it has been online"
    can = ", ".join(agent.capabilities[:5]) or "nothing that steps ask for"
    yield Advice(
        UNUSED,
        Subject("agent", str(agent.id), agent.name),
        f"{agent.name} is online and has not been called {since}. Disable it; it can be enabled again at any time.",
        weight=float(agent.days),
        evidence=(
            Evidence("Days without a call", agent.days, "count", agent.url),
            Evidence("It can do", can, "", agent.url),
        ),
        action=_becomes(agent.id, "disabled", "Disable it"),
    )


def _becomes(agent: int, status: str, label: str) -> Action:
    changed = {"before": {"status": "online"}, "after": {"status": status}}
    return Action("move_agent", label, {"agent": agent, **changed})
