import pytest

from agents.sentences import PHRASES
from orchestra.kernel.models import Event

EVENT = Event(actor_label="Ada", target_kind="agent", target_id="7", target_label="writer")


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        ("AgentCreated", "Ada added the agent writer"),
        ("AgentDrained", "Ada began to drain writer"),
        ("AgentTested", "Ada tested writer"),
        ("CircuitOpened", "The breaker of writer opened"),
        ("CircuitHalfOpened", "The breaker of writer let a probe through"),
        ("CircuitReset", "Ada closed the breaker of writer"),
    ],
)
def test_events_of_the_fleet_read_as_sentences(action, sentence):
    assert PHRASES[action](EVENT) == sentence
