"""``bench allocation``: the optimum of problems from OR-Library, with its bound and the time that it took."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from agents import allocation_plan
from agents.allocation_problem import Problem

MAXIMISED = {f"gap{number}" for number in range(1, 13)}
"""OR-Library's gap1 to gap12 ask for the most, gap a to d and the files of assign for the least."""
FIGURES = ("objective", "bound", "gap_percent", "status", "seconds")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", help="A gap or assign file of OR-Library.")
    parser.add_argument("--problem", type=int, help="Only the problem of this number, from 1 on.")
    parser.add_argument("--sense", choices=["auto", "min", "max"], default="auto", help="auto: by the file's name.")
    parser.add_argument("--time-limit", type=float, default=600.0, help="Seconds for one problem.")


def run(options: Namespace) -> list[dict[str, Any]]:
    path = Path(options.file)
    sense = options.sense if options.sense != "auto" else "max" if path.stem in MAXIMISED else "min"
    problems = list(read(path, maximize=sense == "max"))
    numbers = [options.problem] if options.problem is not None else range(1, len(problems) + 1)
    if not all(1 <= number <= len(problems) for number in numbers):
        raise CommandError(f"{path.name} holds problems 1 to {len(problems)}; choose one of them.")
    allocation_plan.solve(Problem([1], [1], [1], [[1]]), limit_s=options.time_limit)  # loads the solver, once a process
    return [_figures(path.stem, number, problems[number - 1], options.time_limit) for number in numbers]


def read(path: Path, *, maximize: bool) -> Iterator[Problem]:
    """The problems of a file: ``assign`` holds one square table; ``gap`` their number, then each with its sizes."""
    try:
        numbers = iter([int(word) for word in path.read_text().split()])
        if path.stem.startswith("assign"):
            size = next(numbers)
            costs = _table(numbers, size, size)
            yield Problem(range(1, size + 1), [1] * size, range(1, size + 1), costs, maximize=maximize)
            return
        for _ in range(next(numbers)):
            agents, tasks = next(numbers), next(numbers)
            costs, demands = _table(numbers, agents, tasks), _table(numbers, agents, tasks)
            capacity = _table(numbers, 1, agents)[0]
            yield Problem(range(1, agents + 1), capacity, range(1, tasks + 1), costs, demands, maximize)
    except (OSError, ValueError, StopIteration) as error:
        raise CommandError(f"{path} cannot be read as a gap or assign file of OR-Library: {error!r}.") from None


def _table(numbers: Iterator[int], height: int, width: int) -> list[list[int]]:
    return [[next(numbers) for _ in range(width)] for _ in range(height)]


def _figures(name: str, number: int, problem: Problem, limit_s: float) -> dict[str, Any]:
    plan = asdict(allocation_plan.solve(problem, limit_s=limit_s))
    sizes = {"agents": len(problem.agents), "tasks": len(problem.tasks)}
    return {"bench": "allocation", "file": name, "problem": number, **sizes, **{name: plan[name] for name in FIGURES}}
