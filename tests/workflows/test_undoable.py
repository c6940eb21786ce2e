"""What can be undone: the short answer that the planner is given leads to the same as the long one."""

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestra.kernel.clock import database_now
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR
from workflows import engine
from workflows.group import Group
from workflows.models import Run, Step, StepStatus
from workflows.planner import plan_undoing

pytestmark = pytest.mark.django_db
STATUSES = [StepStatus.SUCCEEDED, StepStatus.COMPENSATED, StepStatus.DEAD, StepStatus.FAILED, StepStatus.CANCELLED]


@pytest.fixture
def run(publish, worker, script):
    """A run whose eight items have succeeded, and can be undone."""
    undo = {"compensate": {"capabilities": ["work"]}}
    publish("flow", {"name": "each", "capabilities": ["work"], "for_each": "lines"} | undo)
    started = engine.start("flow", {"lines": list(range(8))}, by=OPERATOR)
    script.finish()
    return Run.objects.get(pk=started.pk)


def group_of(run, *, read):
    group = Group(database_now())
    group.lock_runs([run.pk])
    if read:
        group.read_tasks()
    return group


def answers(group, run):
    """What the planner says, given the long answer and the short one."""
    return [plan_undoing(tasks, "failed") for tasks in (group.done(run), group.to_undo(run))]


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_short_answer_leads_to_the_same_as_the_long_one(run, seed, read):
    chance = random.Random(seed)
    with arranged():
        for step in Step.objects.filter(run=run, parent="each"):
            Step.objects.filter(pk=step.pk).update(
                status=chance.choice(STATUSES if seed % 2 else [*STATUSES, StepStatus.COMPENSATING]),
                finished_at=run.created_at + timedelta(seconds=chance.randrange(100)),
            )
        group = group_of(run, read=read)
        long, short = answers(group, run)
        assert long == short
        for name in [command.task for command in long if hasattr(command, "task")]:
            for status in (StepStatus.COMPENSATING, StepStatus.COMPENSATED):  # in memory only, not saved yet
                group.move(group.task(run, name), status)
                long, short = answers(group, run)
                assert long == short


def test_the_short_answer_is_one_row_of_however_many(run):
    with arranged():
        group = group_of(run, read=False)
        with CaptureQueriesContext(connection) as queries:
            assert len(group.to_undo(run)) == 1
        assert [query["sql"].count("LIMIT 1") for query in queries] == [1]
