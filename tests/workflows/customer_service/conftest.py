"""Inquiries in any state, brought there by the real engine with agents that follow a script."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from agents import fleet, snapshot
from agents.kinds.python import FUNCTIONS, function
from agents.outcomes import Done, Failed, Outcome
from orchestra.kernel.access import Actor, actor_of
from orchestra.kernel.models import Role, User
from workflows import definitions, queue
from workflows.advance import Result
from workflows.customer_service import arrivals, desk, flow, intake
from workflows.customer_service.models import Inquiry

SETUP = Actor.system("test")
CAPABILITIES = ("triage", "draft_reply", "quality_check", "send_reply")
TRIAGED = {"category": "billing_question", "confidence": 0.91}
DRAFTED = {"text": "You will get 49 € back.", "citations": [{"article": 7, "title": "Double charges", "passage": "…"}]}
GOOD = {"score": 0.9, "parts": {}, "needs_escalation": False, "cause": "", "reasons": []}
WEAK = {"score": 0.5, "parts": {}, "needs_escalation": True, "cause": "weak", "reasons": ["Quality 0.50 is low."]}
SENT = {"status": "sent", "message_id": "<1@example.com>", "to": "maya@example.com"}
STORY: Mapping[str, Any] = {"triage": TRIAGED, "specialist": DRAFTED, "quality_check": GOOD, "reply": SENT}
"""What each step answers where a test does not say otherwise."""


@pytest.fixture
def service(db: None) -> None:
    """Both workflows, and one scripted agent that can do everything."""
    if "scripted" not in FUNCTIONS:
        function("scripted")(lambda call: call.input)
    agent = {"name": "billing-1", "config": {"function": "scripted"}, "max_concurrency": 100}
    fleet.create("python", agent, CAPABILITIES, by=SETUP)
    for name, definition in flow.definitions():
        definitions.publish(name, definition, by=SETUP)


@pytest.fixture
def receive(service: None) -> Callable[..., Inquiry]:
    """``receive(body="…", email="…")``: an inquiry whose run has just begun."""

    def take_in(**values: str) -> Inquiry:
        given = {
            "body": "I was charged twice.",
            "subject": "Charged twice",
            "name": "Maya",
            "email": "maya@example.com",
        }
        inquiry, _ = intake.receive(arrivals.read(given | values), by=SETUP)
        return inquiry

    return take_in


@pytest.fixture
def play(service: None) -> Callable[..., None]:
    """``play(quality_check=WEAK)``: let the agents work until nothing is ready; a Failed fails the step for good."""

    def run(**script: Any) -> None:
        results: Sequence[Result] = []
        while assigned := queue.take_turn(results, executor="test", fleet=snapshot.read(), room=100).assignments:
            results = [Result(a.step, a.agent, outcome(script, a.step.name), 0.01) for a in assigned]

    return run


def outcome(script: Mapping[str, Any], step: str) -> Outcome:
    answer = (STORY | script)[step]
    return answer if isinstance(answer, Failed) else Done(answer)


@pytest.fixture
def escalated(receive: Callable[..., Inquiry], play: Callable[..., None]) -> Callable[..., Inquiry]:
    """``escalated()``: an inquiry at the desk, with a weak draft."""

    def bring(**values: str) -> Inquiry:
        inquiry = receive(**values)
        play(quality_check=WEAK)
        inquiry.refresh_from_db()
        return inquiry

    return bring


@pytest.fixture
def claimed(escalated: Callable[..., Inquiry], operator: User) -> Inquiry:
    """An inquiry that the operator holds."""
    return desk.claim(escalated().pk, by=actor_of(operator))


@pytest.fixture
def other_operator(make_user: Callable[..., User]) -> User:
    return make_user("omar", Role.OPERATOR, first_name="Omar")
