"""The admin of runs acts through the verbs, and says of each run what could not be done."""

import pytest

from tests.audit import actions
from tests.workflows.conftest import OPERATOR
from workflows import control, engine
from workflows.models import Run

pytestmark = pytest.mark.django_db
RUNS = "/admin/workflows/run/"


@pytest.mark.parametrize(
    ("action", "statuses", "said"),
    [
        ("cancel", ["cancelled", "cancelled", "cancelled"], "2 cancelled."),
        ("pause", ["paused", "paused", "cancelled"], "1 paused."),
        ("resume", ["queued", "queued", "cancelled"], "1 resumed."),
        ("retry", ["queued", "paused", "running"], "1 retried."),
    ],
)
def test_each_action_goes_through_its_verb(worker, publish, as_, admin_user, action, statuses, said):
    publish("flow", {"name": "only", "capabilities": ["work"]})
    runs = [engine.start("flow", {}, by=OPERATOR) for _ in range(3)]
    control.pause(runs[1].pk, by=OPERATOR, reason="strike")
    control.cancel(runs[2].pk, by=OPERATOR, reason="a mistake")
    chosen = {"action": action, "_selected_action": [run.pk for run in runs]}

    shown = as_(admin_user).post(RUNS, chosen, follow=True).content.decode()

    assert list(Run.objects.order_by("pk").values_list("status", flat=True)) == statuses
    assert said in shown
    assert "RequestRefused" in actions()
