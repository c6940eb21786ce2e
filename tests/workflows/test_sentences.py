import pytest

from orchestra.kernel.models import Event
from workflows.sentences import PHRASES

RUN = Event(actor_label="Ada", target_kind="run", target_id="7", target_label="flow")
STEP = Event(actor_label="writer", target_kind="step", target_id="9", target_label="draft", parent_id="7")


@pytest.mark.parametrize(
    ("action", "event", "sentence"),
    [
        ("RunStarted", RUN, "Ada started run #7 of flow"),
        ("RunFailed", RUN, "Run #7 of flow failed"),
        ("RunCancelled", RUN, "Ada cancelled run #7 of flow"),
        ("UndoingStarted", RUN, "What run #7 of flow had done is being undone"),
        ("RunPaused", RUN, "Ada paused run #7 of flow"),
        ("RunResumed", RUN, "Ada resumed run #7 of flow"),
        ("RunRetried", RUN, "Ada had run #7 of flow gone through again"),
        ("RunPrioritised", RUN, "Ada changed the priority of run #7 of flow"),
        ("SignalSent", RUN, "Ada sent a signal to run #7 of flow"),
        ("StepRepeated", STEP, "writer did draft of run #7, which is repeated"),
        ("StepEscalated", STEP, "draft of run #7 waits for a person to take over"),
        ("StepRequeued", STEP, "writer put draft of run #7 back into the queue"),
        ("StepSucceeded", STEP, "writer did draft of run #7"),
        ("StepRetried", STEP, "writer failed at draft of run #7, which is tried again"),
        ("StepReturned", STEP, "draft of run #7 went back to the queue"),
        ("CompletionRefused", STEP, "A late answer of writer to run #7 was refused"),
    ],
)
def test_events_of_the_engine_read_as_sentences(action, event, sentence):
    assert PHRASES[action](event) == sentence


def test_the_name_of_a_workflow_keeps_its_letters():
    run = Event(target_kind="run", target_id="7", target_label="customer_Inquiry")

    assert PHRASES["RunSucceeded"](run) == "Run #7 of customer_Inquiry succeeded"
