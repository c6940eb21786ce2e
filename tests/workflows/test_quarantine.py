"""A step that cannot be claimed is put off, and keeps no other from being claimed."""

import asyncio

import pytest

from tests.audit import last_event
from tests.silent_writes import arranged
from tests.workflows.conftest import OPERATOR
from workflows import definitions, engine, quarantine
from workflows.calls import Calls
from workflows.committer import Committer
from workflows.models import Step, StepStatus, WorkflowVersion

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def committer():
    loop = asyncio.new_event_loop()
    yield Committer(Calls(loop))
    loop.close()


@pytest.fixture
def broken(publish, worker):
    """A step in the queue whose definition cannot be read any more, before a good one."""
    version = publish("broken", {"name": "one", "capabilities": ["work"]})
    publish("good", {"name": "one", "capabilities": ["work"]})
    run = engine.start("broken", {}, by=OPERATOR)
    with arranged():
        WorkflowVersion.objects.filter(pk=version.pk).update(definition={"steps": "of an older release"})
    definitions.forget()
    return Step.objects.get(run=run)


def test_it_is_put_off_with_what_to_mend_and_the_others_go_on(broken, committer):
    good = engine.start("good", {}, by=OPERATOR)
    committer.turn()  # fails, and looks for the culprit
    committer.more = True
    committer.turn()

    broken.refresh_from_db()
    assert (broken.status, "Mend that" in broken.error) == (StepStatus.READY, True)
    assert Step.objects.get(run=good).status == StepStatus.RUNNING


def test_it_is_tried_again_later_and_told(broken):
    assert quarantine.put_off_broken() == 1
    assert last_event().action == "StepPutOff"
    assert quarantine.put_off_broken() == 0


def test_what_can_be_claimed_is_left_alone(publish, worker):
    publish("good", {"name": "one", "capabilities": ["work"]})
    engine.start("good", {}, by=OPERATOR)

    assert quarantine.put_off_broken() == 0
