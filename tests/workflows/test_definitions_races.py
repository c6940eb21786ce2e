"""Several people who publish at the same instant, on real connections: nobody's version is overwritten unseen."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from tests.workflows.conftest import SYSTEM
from workflows import definitions
from workflows.models import WorkflowVersion

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = 4


def all_publish(upon):
    """Everyone publishes a text of their own, made from version ``upon``; returns how it went for each."""
    together = Barrier(PEOPLE)

    def publish(number):
        together.wait(timeout=30)
        try:
            source = {"steps": [{"name": f"step_{number}", "wait": 5}]}
            return definitions.revise("parcels", source, upon=upon, by=SYSTEM).number
        except definitions.Conflict:
            return "conflict"
        finally:
            connection.close()

    with ThreadPoolExecutor(PEOPLE) as pool:
        return sorted(pool.map(publish, range(PEOPLE)), key=str)


def test_a_new_workflow_is_made_by_one_of_them():
    assert all_publish(upon=0) == [1, "conflict", "conflict", "conflict"]
    assert WorkflowVersion.objects.count() == 1


def test_the_next_version_is_that_of_one_of_them():
    definitions.publish("parcels", {"steps": [{"name": "first", "wait": 5}]}, by=SYSTEM)

    assert all_publish(upon=1) == [2, "conflict", "conflict", "conflict"]
    assert WorkflowVersion.objects.count() == 2
