"""docs/adding-an-agent.md, followed step by step with the code that stands in it."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from agents import snapshot
from agents.invoke import invoke
from agents.kinds import KINDS
from agents.kinds.python import FUNCTIONS
from agents.outcomes import AgentError, Call
from workflows import definitions, queue
from workflows.advance import Result

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "adding-an-agent.md").read_text()
CODE = re.search(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)[1]
AGENT, WORKFLOW, RUN, SERVICE = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL))

pytestmark = pytest.mark.django_db


@pytest.fixture
def registered():
    """The function of the document, known while the test runs."""
    written: dict[str, Any] = {}
    exec(compile(CODE, "adding-an-agent.md", "exec"), written)  # noqa: S102 - our own document
    yield written["quote"]
    del FUNCTIONS["postage.quote"]


def work() -> None:
    """What an executor does: claim, call, store, until nothing is left."""
    results: list[Result] = []
    while assignments := queue.take_turn(results, executor="here", fleet=snapshot.read(), room=10).assignments:
        results = [
            Result(claim.step, claim.agent, asyncio.run(invoke("python", call_of(claim), timeout_s=5)), 0.1)
            for claim in assignments
        ]


def call_of(claim: queue.Assignment) -> Call:
    step = claim.step
    return Call(step.input, claim.agent.config, str(step.key), step.attempt, timezone.now(), "")


def test_the_example_runs_from_the_code_to_its_first_result(registered, api, admin_user):
    definitions.forget()
    client = api(admin_user)

    assert client.post("/api/v1/agents/", AGENT).status_code == 201
    assert client.post("/api/v1/workflows/", WORKFLOW).status_code == 201
    started = client.post("/api/v1/runs/", RUN)
    assert started.status_code == 201
    work()

    run = client.get(f"/api/v1/runs/{started.json()['id']}/").json()
    assert (run["status"], run["output"]) == ("succeeded", {"price": 9.0})
    assert run["steps"][0]["agent"] == "postage-1"


def test_the_service_of_the_example_can_be_added_and_its_key_is_kept_to_itself(api, admin_user):
    answer = api(admin_user).post("/api/v1/agents/", SERVICE)

    assert answer.status_code == 201
    assert answer.json()["secret_names"] == ["signing_key"]
    assert SERVICE["secrets"]["signing_key"] not in answer.content.decode()


def test_every_kind_of_agent_is_named_with_what_it_is():
    assert set(re.findall(r"^\| `(\w+)` \|", DOCUMENT.partition("## 1.")[0], re.MULTILINE)) == set(KINDS)


def test_the_example_refuses_what_it_says_it_refuses(registered):
    call = Call({"weight_kg": 31}, AGENT["config"], "key", 1, timezone.now(), "")

    with pytest.raises(AgentError, match="We do not take parcels of 31 kg"):
        registered(call)
