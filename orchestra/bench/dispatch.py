"""``bench dispatch``: what choosing agents for a whole batch gains over the best free one for each step in turn."""

import random
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import log
from statistics import mean
from typing import Any

from django.conf import settings

from agents import allocation, dispatch
from agents.allocation import Slots
from agents.dispatch import Demand
from agents.scoring import Weights
from agents.snapshot import AgentView, Fleet

ABILITIES = ("billing", "code", "draft", "law", "search", "translate", "travel", "triage")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
UTILISATIONS = (0.5, 0.7, 0.9, 1.0)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=200, help="Scenarios of each utilisation.")
    parser.add_argument("--agents", type=int, default=12)
    parser.add_argument("--utilisation", type=float, action="append", help="Share of the slots that steps ask for.")


def run(options: Namespace) -> list[dict[str, Any]]:
    weights = Weights(**settings.SCORE_WEIGHTS)
    return [
        figures([compare(scenario(seed, share, options.agents), weights) for seed in range(options.seeds)], share)
        for share in options.utilisation or UTILISATIONS
    ]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet, and the steps of one turn in their order."""

    fleet: Fleet
    demands: Sequence[Demand]


@dataclass(frozen=True, slots=True)
class Compared:
    """Both plans' total scores and how many steps they serve, and how long the better one took to find."""

    total: float
    served: int
    greedy_total: float
    greedy_served: int
    seconds: float

    @property
    def gain_percent(self) -> float:
        return 100 * (self.total - self.greedy_total) / self.greedy_total


def scenario(seed: int, utilisation: float, agents: int = 12) -> Scenario:
    """Agents that can do one to four of eight things, and steps for so large a share of their slots.

    Each step asks for what the agent of one slot can do, so a plan that serves all of them exists: one thing, or, a
    third of them, two where it can do two. Half of them prefer one or two things more. Agents succeed four times of
    five on average and answer in 2 s, half of them, a few only after many: spread as in real fleets, not evenly.
    """
    chance = random.Random(seed)  # noqa: S311  the same scenarios each time
    views = [_agent(number, chance) for number in range(1, agents + 1)]
    places = [view for view in views for _ in range(view.slots)]
    chance.shuffle(places)
    demands = [_demand(view, chance) for view in places[: round(utilisation * len(places))]]
    chance.shuffle(demands)
    return Scenario(Fleet(1, {view.id: view for view in views}), demands)


def compare(scene: Scenario, weights: Weights) -> Compared:
    """The dispatcher's choice beside greed's, on the same scores and in the same order."""
    started = time.perf_counter()
    choices = dispatch.choose(scene.demands, scene.fleet, {}, weights, NOW)
    seconds = time.perf_counter() - started
    scores, slots = dispatch.weigh(scene.demands, scene.fleet, {}, weights, NOW)
    best = [choice.agent.id if choice.agent else None for choice in choices]
    simple = allocation.greedy(scores, slots)
    return Compared(*_result(best, scores, slots), *_result(simple, scores, slots), seconds)


def figures(compared: Sequence[Compared], utilisation: float) -> dict[str, Any]:
    """What the scenarios of one utilisation come to together."""
    gains = sorted(each.gain_percent for each in compared)
    return {
        "bench": "dispatch",
        "utilisation": utilisation,
        "scenarios": len(compared),
        "gain_percent": round(mean(gains), 2),
        "fifth_percentile_gain_percent": round(gains[len(gains) // 20], 2),
        "worst_gain_percent": round(gains[0], 2),
        "best_gain_percent": round(gains[-1], 2),
        "served_more": sum(each.served - each.greedy_served for each in compared),
        "choose_ms": round(1000 * mean(each.seconds for each in compared), 3),
    }


def _result(
    plan: Sequence[int | None], scores: Sequence[Mapping[int, float]], slots: Mapping[int, Slots]
) -> tuple[float, int]:
    return allocation.total(plan, scores, slots), len(plan) - plan.count(None)


def _agent(number: int, chance: random.Random) -> AgentView:
    return AgentView(
        id=number,
        name=f"agent-{number}",
        kind="python",
        status="online",
        capabilities=frozenset(chance.sample(ABILITIES, chance.randint(1, 4))),
        slots=chance.randint(1, 6),
        config={},
        secrets={},
        model="",
        version="",
        circuit="closed",
        probe_at=None,
        success_rate=chance.betavariate(8, 2),
        response_s=chance.lognormvariate(log(2), 1),
    )


def _demand(view: AgentView, chance: random.Random) -> Demand:
    count = min(chance.choice((1, 1, 2)), len(view.capabilities))
    needs = sorted(chance.sample(sorted(view.capabilities), count))
    return Demand(tuple(needs), tuple(sorted(chance.sample(ABILITIES, chance.choice((0, 0, 1, 2))))))
