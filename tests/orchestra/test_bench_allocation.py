"""The benchmarks of allocation on their real problems: published optima, and the gain over greed."""

import csv
import json
from argparse import Namespace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from agents.scoring import Weights
from orchestra.bench import allocation, dispatch

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "assignment"
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there")
FIRST = 1
"""The problem of each file that every run of the suite solves; `make soak` solves all."""


def published(*, others):
    """Problems with their proven optimum: file, number, optimum."""
    if not DATA.exists():
        return []
    rows = csv.DictReader((DATA / "gap_optima.csv").read_text().splitlines())
    wanted = [row for row in rows if (int(row["problem"]) != FIRST) == others]
    return [(row["file"], int(row["problem"]), int(row["optimum"])) for row in wanted]


def measure(file, number=None, **more):
    options = {"file": str(DATA / file), "problem": number, "sense": "auto", "time_limit": 600.0}
    return allocation.run(Namespace(**options | more))


def check(file, number, optimum):
    (found,) = measure(f"{file}.txt", number)

    assert (found["objective"], found["bound"], found["gap_percent"], found["status"]) == (
        optimum,
        optimum,
        0,
        "optimal",
    )


@needs_data
@pytest.mark.parametrize(("file", "number", "optimum"), published(others=False))
def test_problems_with_demands_come_to_the_published_optimum(file, number, optimum):
    check(file, number, optimum)


@pytest.mark.soak
@needs_data
@pytest.mark.parametrize(("file", "number", "optimum"), published(others=True))
def test_all_problems_with_demands_come_to_the_published_optimum(file, number, optimum):
    check(file, number, optimum)


@needs_data
def test_the_square_problem_comes_to_the_published_optimum(capsys):
    call_command("bench", "allocation", str(DATA / "assign100.txt"))
    told = json.loads(capsys.readouterr().out)

    assert (told["objective"], told["gap_percent"], told["status"]) == (305, 0, "optimal")


def test_a_file_may_ask_for_the_least_or_the_most(tmp_path):
    file = tmp_path / "gap1.txt"
    file.write_text("1\n2 2\n 1 2\n 3 5\n 1 1\n 1 1\n 2 2\n")

    assert [measure(file, sense=sense)[0]["objective"] for sense in ("auto", "max", "min")] == [8, 8, 3]


@pytest.mark.parametrize("text", ["", "2\n1 1\n5\n5\n5\n", "a b c"])
def test_a_file_that_is_something_else_is_refused_by_name(tmp_path, text):
    file = tmp_path / "gap1.txt"
    file.write_text(text)

    with pytest.raises(CommandError, match=r"gap1\.txt"):
        measure(file)


def test_a_problem_that_the_file_does_not_hold_is_refused(tmp_path):
    file = tmp_path / "assign1.txt"
    file.write_text("1\n7\n")

    with pytest.raises(CommandError, match="problems 1 to 1"):
        measure(file, 2)


def compare(utilisation, seeds=150):
    return [dispatch.compare(dispatch.scenario(seed, utilisation), Weights()) for seed in range(seeds)]


@pytest.mark.parametrize("utilisation", [0.3, 0.5, 0.7, 0.9, 1.0])
def test_choosing_for_a_batch_is_never_worse_than_the_best_free_agent_in_turn(utilisation):
    for compared in compare(utilisation):
        assert compared.total >= compared.greedy_total - 1e-9
        assert compared.served >= compared.greedy_served


def test_at_nine_tenths_of_the_slots_it_gains_five_percent_of_the_total_score():
    told = dispatch.figures(compare(0.9), 0.9)

    assert told["gain_percent"] >= 6
    assert told["fifth_percentile_gain_percent"] >= 0.5
    assert told["worst_gain_percent"] >= 0
