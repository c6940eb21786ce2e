"""The form of a problem to plan, as text or a file, and the plan as a table of agents."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from agents import snapshot
from agents.allocation_plan import Plan
from agents.allocation_problem import Id, Number, Problem
from agents.models import AgentStatus
from orchestra.kernel.schema_forms import AnyJSON
from workflows.allocation_requests import Planned

LARGEST_FILE = 2 * 1024 * 1024
SHOWN_AGENTS = 100
SHOWN_TASKS = 20

NUMBERS_EXAMPLE = """{
  "agents": [{"id": "north", "capacity": 8}, {"id": "south", "capacity": 7}],
  "tasks": [{"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "d"}],
  "cost": [[4, 9, 3, 8],
           [5, 2, null, 7]],
  "demand": [[3, 4, 2, 5],
             [4, 3, 2, 4]],
  "maximize": false
}"""
EXAMPLE_TASKS = 4


def tasks_example() -> str:
    """Tasks for the first capabilities that the fleet has, which can be planned as they are."""
    agents = [agent for agent in snapshot.read().agents.values() if agent.status == AgentStatus.ONLINE]
    known = sorted({name for agent in agents for name in agent.capabilities - {snapshot.itself(agent.id)}})
    names = known[:EXAMPLE_TASKS] or ["draft_reply"]
    rows = [{"id": f"{name} 1", "capabilities": [name], "input": {}} for name in names]
    lines = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in rows)
    return f'{{\n  "tasks": [\n{lines}\n  ]\n}}'


EXAMPLES: Mapping[str, Callable[[], str]] = {"tasks": tasks_example, "numbers": lambda: NUMBERS_EXAMPLE}


class ProblemForm(forms.Form):
    """A problem in JSON, typed or from a file."""

    use_required_attribute = False

    problem = AnyJSON(
        table=True,
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false", "class": "mono"}),
        help_text="Tasks with capabilities for the fleet as it is now, or agents, tasks and costs of your own.",
    )
    file = forms.FileField(
        required=False,
        widget=forms.FileInput(attrs={"accept": ".json,application/json"}),
        help_text="Instead of the text: a JSON file of at most 2 MB.",
    )

    def __init__(self, data: Any = None, files: Any = None, **options: Any) -> None:
        super().__init__(data, files, **options)
        self.fields["problem"].required = not (files and files.get("file"))

    def clean_problem(self) -> Any:
        problem = self.cleaned_data["problem"]
        if not problem and self.fields["problem"].required:
            raise forms.ValidationError("Paste a problem, choose a file, or begin with an example.")
        return problem

    def clean_file(self) -> Any:
        upload: UploadedFile | None = self.cleaned_data["file"]
        if upload is None:
            return None
        if (upload.size or 0) > LARGEST_FILE:
            raise forms.ValidationError("The file is larger than 2 MB; divide the problem, or use the API.")
        try:
            return AnyJSON(table=True).clean(upload.read().decode())
        except UnicodeDecodeError:
            raise forms.ValidationError("The file is not UTF-8; save it in that encoding.") from None

    def given(self) -> Any:
        """The problem that is asked about; a file goes before the text."""
        return self.cleaned_data.get("file") or self.cleaned_data["problem"]


@dataclass(frozen=True, slots=True)
class Placed:
    """A task at an agent: what it costs there, how much it takes, and who has it by the other plan."""

    task: Id
    cost: Number | None
    takes: Number
    elsewhere: Id | None
    has_moved: bool


@dataclass(frozen=True, slots=True)
class Row:
    """An agent with its load and tasks by one plan."""

    agent: Id
    capacity: Number
    load: Number
    tasks: Sequence[Placed]
    hidden: int

    @property
    def share(self) -> float:
        return float(self.load / self.capacity) if self.capacity else 0.0

    @property
    def figure(self) -> str:
        return f"{self.load:g} of {self.capacity:g}"


@dataclass(frozen=True, slots=True)
class Table:
    """A plan as pages show it; ``hidden`` agents are those beyond the first hundred."""

    plan: Plan
    rows: Sequence[Row]
    hidden: int
    left_over: Sequence[Id]


def table_of(problem: Problem, plan: Plan, other: Plan) -> Table:
    """``plan`` with a row for each agent; what ``other`` gives to somebody else is marked."""
    held: dict[int, list[int]] = {}
    for task, agent in enumerate(plan.chosen):
        if agent is not None:
            held.setdefault(agent, []).append(task)
    rows = [_row(problem, agent, held.get(agent, []), other) for agent in range(min(len(problem.agents), SHOWN_AGENTS))]
    left = [problem.tasks[task] for task, agent in enumerate(plan.chosen) if agent is None]
    return Table(plan, rows, max(0, len(problem.agents) - SHOWN_AGENTS), left[:SHOWN_TASKS])


def text_of(given: Any) -> str:
    """A problem as the text that the form holds."""
    return json.dumps(given, ensure_ascii=False)


def assignments_of(planned: Planned) -> str:
    """The plan that is shown, as the page sends it back to have it carried out."""
    problem = planned.asked.problem
    chosen = zip(problem.tasks, planned.plan.chosen, strict=True)
    return json.dumps({str(task): problem.agents[agent] for task, agent in chosen if agent is not None})


def _row(problem: Problem, agent: int, tasks: Sequence[int], other: Plan) -> Row:
    placed = [
        Placed(
            problem.tasks[task],
            problem.cost[agent][task],
            problem.takes(agent, task),
            None if (elsewhere := other.chosen[task]) is None else problem.agents[elsewhere],
            elsewhere != agent,
        )
        for task in tasks[:SHOWN_TASKS]
    ]
    load = sum(problem.takes(agent, task) for task in tasks)
    return Row(problem.agents[agent], problem.capacity[agent], load, placed, max(0, len(tasks) - SHOWN_TASKS))
