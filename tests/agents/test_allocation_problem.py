"""Problems as JSON has them: what is read, and what is refused with its place."""

import json

import pytest

from agents import allocation_problem
from orchestra.kernel.errors import Invalid

GOOD = {
    "agents": [{"id": "ada", "capacity": 2}, {"id": 7}],
    "tasks": [{"id": 1}, {"id": "two"}],
    "cost": [[1, 2.5], [None, 4]],
}


def faults(**changes):
    with pytest.raises(Invalid) as refusal:
        allocation_problem.read(GOOD | changes)
    return {fault["path"]: fault["message"] for fault in refusal.value.errors}


def test_a_problem_is_read_as_it_is_given():
    problem = allocation_problem.read(GOOD | {"maximize": True})

    assert (problem.agents, problem.capacity, problem.tasks) == (["ada", 7], [2, 1], [1, "two"])
    assert (problem.cost, problem.demand, problem.maximize) == ([[1, 2.5], [None, 4]], None, True)
    assert not problem.can(1, 0)


def test_a_demand_may_be_missing_where_there_is_no_cost():
    problem = allocation_problem.read(GOOD | {"demand": [[1, 0.5], [None, 3]]})

    assert problem.demand == [[1, 0.5], [0, 3]]
    assert [problem.can(1, task) for task in (0, 1)] == [False, False]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"agents": []}, "agents"),
        ({"agents": {"ada": 1}}, "agents"),
        ({"agents": ["ada", {"id": 2}]}, "agents[0]"),
        ({"agents": [{"id": ""}, {"id": 2}]}, "agents[0].id"),
        ({"agents": [{"id": True}, {"id": 2}]}, "agents[0].id"),
        ({"agents": [{"id": 1.5}, {"id": 2}]}, "agents[0].id"),
        ({"agents": [{"id": "x" * 101}, {"id": 2}]}, "agents[0].id"),
        ({"agents": [{"id": 2}, {"id": "2"}]}, "agents[1].id"),
        ({"agents": [{"id": 1}, {"id": 2, "slots": 3}]}, "agents[1].slots"),
        ({"agents": [{"id": 1, "capacity": -1}, {"id": 2}]}, "agents[0].capacity"),
        ({"agents": [{"id": 1, "capacity": None}, {"id": 2}]}, "agents[0].capacity"),
        ({"agents": [{"id": 1, "capacity": 1.5}, {"id": 2}]}, "agents[0].capacity"),
        ({"agents": [{"id": 1, "capacity": True}, {"id": 2}]}, "agents[0].capacity"),
        ({"tasks": None}, "tasks"),
        ({"tasks": [{"id": 1}, {"id": 1}]}, "tasks[1].id"),
        ({"tasks": [{"id": 1}, {"name": 1}]}, "tasks[1].name"),
        ({"cost": None}, "cost"),
        ({"cost": [[1, 2]]}, "cost"),
        ({"cost": [[1, 2], [3]]}, "cost[1]"),
        ({"cost": [[1, 2], "34"]}, "cost[1]"),
        ({"cost": [[1, 2], [3, "4"]]}, "cost[1][1]"),
        ({"cost": [[1, 2], [3, float("nan")]]}, "cost[1][1]"),
        ({"cost": [[1, 2], [3, float("inf")]]}, "cost[1][1]"),
        ({"cost": [[1, 2], [3, 10**10]]}, "cost[1][1]"),
        ({"cost": [[1, 2], [3, True]]}, "cost[1][1]"),
        ({"demand": [[1, 2], [3, -4]]}, "demand[1][1]"),
        ({"demand": [[1, None], [None, 4]]}, "demand[0][1]"),
        ({"demand": 3}, "demand"),
        ({"maximize": "yes"}, "maximize"),
        ({"maximise": True}, "maximise"),
    ],
)
def test_bad_input_is_refused_with_its_place(changes, path):
    assert list(faults(**changes)) == [path]


def test_ten_million_entries_are_refused_before_they_are_looked_at():
    many = {"agents": [{"id": n} for n in range(2500)], "tasks": [{"id": n} for n in range(4000)]}

    assert "10,000,000 entries" in faults(**many, cost=[])["cost"]


def test_of_many_faults_the_first_twenty_are_named():
    table = [["x"] * 100 for _ in range(100)]
    ids = [{"id": number} for number in range(100)]

    assert len(faults(agents=ids, tasks=ids, cost=table)) == 20


def test_what_json_reads_as_not_a_number_is_refused():
    given = json.loads('{"agents": [{"id": 1}], "tasks": [{"id": 1}], "cost": [[NaN]]}')

    with pytest.raises(Invalid):
        allocation_problem.read(given)


@pytest.mark.parametrize("given", [None, [], "text", 3])
def test_what_is_no_object_is_no_problem(given):
    with pytest.raises(Invalid):
        allocation_problem.read(given)
