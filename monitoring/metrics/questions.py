"""What is asked of measurements over time: which figures of which subjects, from when to when, in which steps.

The API's parameters are read here; each fault is named by its parameter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.models import Agent
from monitoring.metrics import courses, readings
from monitoring.metrics.catalogue import TICK_S, Metric
from monitoring.metrics.figures import CALLS, FIGURES, KINDS, RUNS, of_kind
from monitoring.metrics.subjects import SYSTEM, Scope
from orchestra.kernel.errors import FieldError, Invalid, field_error
from orchestra.kernel.lists import moment, number_in
from orchestra.kernel.series import MINUTE_S, Steps, steps_between

MOST_SUBJECTS = 50
MOST_POINTS, USUAL_POINTS = 1_000, 200
MOST_FIGURES = 50_000
"""Points of all series of one answer together."""
HOUR = timedelta(hours=1)
FITTING = {"agent": ("agent", "pool"), "pool": ("pool",), "queue": ("queue",), "workflow": ("workflow",), "system": ()}
"""By which parameters the subjects of a kind are chosen."""
PARAMETERS = frozenset({*KINDS[:-1], "metric", "since", "until", "step", "format"})


@dataclass(frozen=True, slots=True)
class Asked:
    """Figures of one kind, of some subjects: their names by id."""

    kind: str
    subjects: Mapping[str, str]
    metrics: Sequence[str]
    steps: Steps
    now: datetime

    def courses(self) -> courses.Courses:
        return courses.read(self.metrics, list(self.subjects), self.steps, self.now)


def read(params: Mapping[str, str], now: datetime) -> Asked:
    """The question that the parameters put. Raises :class:`Invalid` naming each bad one."""
    refuse_unknown(params, PARAMETERS)
    faults: list[FieldError] = []
    since, until = window(params, now, faults)
    metrics = metrics_in(params, faults)
    if faults:
        raise Invalid(errors=faults)
    kind = _kind(params, metrics)
    names = [metric.name for metric in metrics or of_kind(kind)]
    steps = steps_in(params, (since, until), _least_s(names, since, now))
    subjects = _SUBJECTS[kind](params)
    if steps.count * len(names) * len(subjects) > MOST_FIGURES:
        raise field_error("step", f"That is over {MOST_FIGURES:,} points in all; ask for less of something.")
    return Asked(kind, subjects, names, steps, now)


def refuse_unknown(params: Mapping[str, str], known: frozenset[str]) -> None:
    if unknown := sorted(params.keys() - known):
        raise Invalid(errors=[{"path": name, "message": "There is no such parameter here."} for name in unknown])


def window(params: Mapping[str, str], now: datetime, faults: list[FieldError]) -> tuple[datetime, datetime]:
    """From when to when; an hour up to now where nothing is said."""
    until = _moment(params, "until", now, faults)
    return _moment(params, "since", until - HOUR, faults), until


def metrics_in(params: Mapping[str, str], faults: list[FieldError]) -> list[Metric]:
    """The metrics that are named, each once."""
    names = list(dict.fromkeys(name for name in params.get("metric", "").split(",") if name))
    if wrong := [name for name in names if name not in FIGURES]:
        message = f"There is no {wrong[0][:50]}; GET /api/v1/metrics/ lists those there are."
        faults.append({"path": "metric", "message": message})
        return []
    return [FIGURES[name] for name in names]


def steps_in(params: Mapping[str, str], over: tuple[datetime, datetime], least_s: int) -> Steps:
    """The steps that ``step`` asks for, else the shortest that make a readable number of points.

    They are a tick long if ``least_s`` is, else whole minutes.
    """
    (since, until), text = over, params.get("step", "")
    step_s = number_in(text[:12]) if text else 0
    if step_s is None or (text and not _is_length(step_s)):
        raise field_error(
            "step", f"Give a whole number of seconds that is a multiple of 60; or {TICK_S}, of what each tick collects."
        )
    if step_s == TICK_S and least_s == MINUTE_S:
        raise field_error(
            "step",
            f"Steps of {TICK_S} s are only of series that each tick collects, and not all of these are; "
            "give a multiple of 60, or name other metrics.",
        )
    if step_s and (step_s < least_s or (least_s > MINUTE_S and step_s % least_s)):
        raise field_error("step", f"So long ago only steps that are multiples of {least_s} are kept.")
    try:
        return steps_between(since, until, step_s=step_s, most=MOST_POINTS if step_s else USUAL_POINTS, least_s=least_s)
    except ValueError as fault:
        raise field_error("step" if since < until else "since", str(fault)) from None


def _is_length(step_s: int) -> bool:
    return step_s == TICK_S or (step_s > 0 and step_s % MINUTE_S == 0)


def _least_s(metrics: Sequence[str], since: datetime, now: datetime) -> int:
    """How long the steps of a series must be at least: a tick, as long as ticks are kept and nothing else is asked."""
    least_s = courses.least_step_s(metrics, since, now)
    return TICK_S if least_s == MINUTE_S and (CALLS | RUNS).isdisjoint(metrics) else least_s


def numbers_in(text: str) -> list[int]:
    """The agents that a parameter names."""
    words = [word for word in text.split(",") if word]
    numbers = [number for word in words if (number := number_in(word)) is not None]
    if len(numbers) < len(words):
        raise field_error("agent", "Give the numbers of agents, separated by commas.")
    if len(numbers) > MOST_SUBJECTS:
        raise field_error("agent", f"Give at most {MOST_SUBJECTS} agents at a time.")
    return numbers


def refuse_missing(numbers: Sequence[int]) -> None:
    """Raise :class:`Invalid` naming the first of ``numbers`` that no agent has."""
    if missing := sorted(set(numbers) - set(Agent.objects.filter(pk__in=numbers).values_list("pk", flat=True))):
        raise field_error("agent", f"There is no agent {missing[0]}.")


def _moment(params: Mapping[str, str], name: str, otherwise: datetime, faults: list[FieldError]) -> datetime:
    try:
        return moment(params[name]) if params.get(name) else otherwise
    except ValueError as fault:
        faults.append({"path": name, "message": str(fault)})
        return otherwise


def _kind(params: Mapping[str, str], metrics: Sequence[Metric]) -> str:
    """Of what the metrics are figures; without any, what the other parameters choose."""
    kinds = {metric.kind for metric in metrics}
    if len(kinds) > 1:
        raise field_error(
            "metric", f"Ask for figures of one kind at a time; these are of {' and '.join(sorted(kinds))}."
        )
    chosen = [kind for kind in KINDS[:-1] if params.get(kind)]
    if not kinds and not chosen:
        raise field_error("agent", "Say whose figures: agent, pool, queue or workflow; or name a metric of the system.")
    kind = kinds.pop() if kinds else chosen[0]
    if unfit := [name for name in chosen if name not in FITTING[kind]]:
        raise field_error(unfit[0], f"These are figures of {kind}s; they are not chosen by {unfit[0]}.")
    return kind


def _agents(params: Mapping[str, str]) -> dict[str, str]:
    numbers, pools = numbers_in(params.get("agent", "")), params.get("pool", "")
    if not numbers and not pools:
        raise field_error("agent", "Give the numbers of agents, separated by commas, or a pool.")
    agents = Agent.objects.order_by("name")
    if numbers:
        refuse_missing(numbers)
        agents = agents.filter(pk__in=numbers)
    if pools:
        agents = agents.filter(pool__in=[int(number) for number in _pools(params)])
    return {str(pk): name for pk, name in agents.values_list("pk", "name")[:MOST_SUBJECTS]}


def _pools(params: Mapping[str, str]) -> dict[str, str]:
    """Pools are named by their number or their name."""
    known = {subject.id: subject.label for subject in readings.subjects("pool_size", Scope.all()).values()}
    by_name = {name: number for number, name in known.items()}
    return _chosen("pool", params, {**known, **{name: name for name in by_name}}, by_name)


def _queues(params: Mapping[str, str]) -> dict[str, str]:
    return _chosen("queue", params, {name: name for name in readings.subjects("queue_waiting", Scope.all())})


def _workflows(params: Mapping[str, str]) -> dict[str, str]:
    known = readings.subjects("workflow_duration", Scope.all())
    return _chosen("workflow", params, {name: name for name in known})


def _system(params: Mapping[str, str]) -> dict[str, str]:
    return {SYSTEM: "system"}


def _chosen(
    kind: str, params: Mapping[str, str], known: Mapping[str, str], by_name: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Those that the parameter names; all of them, the first fifty, where it names none."""
    ids = by_name or {}
    words = [word for word in params.get(kind, "").split(",") if word]
    if unknown := [word for word in words if word not in known]:
        raise field_error(kind, f"There is no {kind} {unknown[0][:100]}.")
    if len(words) > MOST_SUBJECTS:
        raise field_error(kind, f"Give at most {MOST_SUBJECTS} at a time.")
    wanted = [ids.get(word, word) for word in words] or [word for word in known if word not in ids][:MOST_SUBJECTS]
    return {subject: known[subject] for subject in dict.fromkeys(wanted)}


_SUBJECTS = {"agent": _agents, "pool": _pools, "queue": _queues, "workflow": _workflows, "system": _system}
