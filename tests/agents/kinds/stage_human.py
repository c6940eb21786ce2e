"""People: a call to one is pending, whatever is asked."""

from tests.agents.kinds import stage

AT_THE_DESK = "A person answers at the desk, where the form of the step is checked."


class HumanStage(stage.Stage):
    kind = "human"
    lacks = {behaviour: AT_THE_DESK for behaviour in stage.BEHAVIOURS if behaviour != stage.PENDING}
    bad_configs = [({"desk": 1}, "config.desk")]
