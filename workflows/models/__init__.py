"""The tables of the engine. Each module says who writes its own."""

from workflows.models.allocations import Allocation, AllocationTask
from workflows.models.bulk import BulkAction
from workflows.models.definitions import Workflow, WorkflowVersion
from workflows.models.partials import PartialText
from workflows.models.queues import RoutingRule, TaskQueue
from workflows.models.runs import (
    RUN_ENDS,
    RUN_STATES,
    STEP_STATES,
    Run,
    RunStatus,
    Signal,
    Step,
    StepStatus,
    WaitsFor,
)
from workflows.models.schedules import LastOutcome, Missed, Overlap, Schedule

__all__ = [
    "RUN_ENDS",
    "RUN_STATES",
    "STEP_STATES",
    "Allocation",
    "AllocationTask",
    "BulkAction",
    "LastOutcome",
    "Missed",
    "Overlap",
    "PartialText",
    "RoutingRule",
    "Run",
    "RunStatus",
    "Schedule",
    "Signal",
    "Step",
    "StepStatus",
    "TaskQueue",
    "WaitsFor",
    "Workflow",
    "WorkflowVersion",
]
