"""An item that failed: the others of a critical fan-out are not called any more."""

import pytest

from agents.outcomes import Failed
from tests.workflows.conftest import OPERATOR
from workflows import engine
from workflows.models import Run, Step

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("critical", "rest"), [(True, "cancelled"), (False, "ready")])
def test_ready_items_are_withdrawn_if_the_fan_out_is_critical(publish, worker, script, critical, rest):
    publish("flow", {"name": "pick", "capabilities": ["work"], "for_each": "lines", "critical": critical})
    run = engine.start("flow", {"lines": [1, 2, 3, 4]}, by=OPERATOR)
    first, second = script.turn(room=2).assignments
    script.turn(script.answer(first, Failed("no", retryable=False)), room=0)

    states = dict(Step.objects.filter(run=run, parent="pick").values_list("name", "status"))
    assert states == {"pick[0]": "failed", "pick[1]": "running", "pick[2]": rest, "pick[3]": rest}

    if critical:
        assert script.turn(script.answer(second)).assignments == []
        assert Run.objects.get(pk=run.pk).status == "failed"
