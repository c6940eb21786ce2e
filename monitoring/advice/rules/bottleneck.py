"""The step that holds the runs of a workflow up most, by their critical paths. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from monitoring.advice.advised import Action, Advice, Evidence, Subject, leads_to
from monitoring.advice.critical_path import Hold
from orchestra.kernel.wording import duration, percent

BOTTLENECK = "bottleneck"
LEAST_RUNS = 20
LEAST_SHARE = 0.5
LEAST_S = 1.0
MOSTLY = 0.5
INTENDED = {"wait", "signal", "first_of"}
"""Kinds of steps that are meant to wait: no capacity makes them quicker."""


@dataclass(frozen=True, slots=True)
class PoolRef:
    """The pool whose members can do the step."""

    id: int
    name: str
    autoscales: bool
    target: int
    max_size: int
    url: str


@dataclass(frozen=True, slots=True)
class WorkflowFacts:
    """A workflow with what held up its recent runs. ``kind`` and what follows it are of the worst step.

    ``at_once`` is its own limit of how many run at a time, 0 where it has none; ``agents_url`` lists who can do it.
    """

    id: int
    name: str
    steps: int
    runs: int
    worst: Hold
    kind: str
    capabilities: tuple[str, ...]
    at_once: int
    pool: PoolRef | None
    url: str
    runs_url: str
    agents_url: str


def advise(workflow: WorkflowFacts) -> Iterator[Advice]:
    worst = workflow.worst
    if workflow.runs < LEAST_RUNS or workflow.steps < 2 or workflow.kind in INTENDED:
        return
    if worst.share < LEAST_SHARE or worst.seconds < LEAST_S:
        return
    what, action = _remedy(workflow)
    yield Advice(
        BOTTLENECK,
        Subject("workflow", str(workflow.id), workflow.name),
        f"Step {worst.step} holds the runs of {workflow.name} up most: {duration(worst.seconds)} of each, "
        f"{percent(worst.share)} of the time on their critical path, of which it waits "
        f"{duration(worst.waited_s)} for its turn. {what}",
        weight=worst.seconds,
        evidence=(
            Evidence("Share of the critical path", worst.share, "share", workflow.url),
            Evidence("Held up each run", worst.seconds, "seconds", workflow.runs_url),
            Evidence("Of that, waiting for its turn", worst.waited_s, "seconds", workflow.runs_url),
            Evidence("Runs in which it lay on the critical path", worst.on_path, "share", workflow.runs_url),
            Evidence("Runs looked at", workflow.runs, "count", workflow.runs_url),
        ),
        action=action,
    )


def _remedy(workflow: WorkflowFacts) -> tuple[str, Action]:
    """What would help, in a sentence, and the button."""
    step, pool = workflow.worst.step, workflow.pool
    if workflow.kind == "human":
        return "People answer it: let more of them, or look at why it takes so long.", _to_runs(workflow)
    if workflow.kind == "workflow":
        return "It is a workflow of its own: look at its runs.", _to_runs(workflow)
    if workflow.worst.waited_s < MOSTLY * workflow.worst.seconds:
        return f"Its calls themselves take that long: a quicker agent for {_needed(workflow)} would help.", leads_to(
            workflow.agents_url, "Look at its agents"
        )
    if workflow.at_once:
        return f"At most {workflow.at_once} run at a time: raise the limit of step {step}.", leads_to(
            workflow.url, "Look at the workflow"
        )
    if pool is None:
        return f"More agents, or more calls at a time, for {_needed(workflow)} would help.", leads_to(
            workflow.agents_url, "Look at its agents"
        )
    if pool.autoscales and pool.target < pool.max_size:
        return f"The pool {pool.name} may grow by itself: let it do so sooner.", leads_to(pool.url, "Look at the pool")
    return f"Add a member to the pool {pool.name}.", _one_more(pool)


def _one_more(pool: PoolRef) -> Action:
    size = pool.target + 1
    after = {"max_size": size} if pool.autoscales or size > pool.max_size else {}
    if not pool.autoscales:
        after["target"] = size
    before = {name: getattr(pool, name) for name in after}
    limit = "at most " if pool.autoscales else ""
    return Action(
        "resize_pool", f"Let {pool.name} have {limit}{size}", {"pool": pool.id, "before": before, "after": after}
    )


def _to_runs(workflow: WorkflowFacts) -> Action:
    return leads_to(workflow.runs_url, "Look at the runs")


def _needed(workflow: WorkflowFacts) -> str:
    return " and ".join(workflow.capabilities) or "it"
