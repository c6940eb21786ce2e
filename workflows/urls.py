"""Addresses of this app: ``pages`` under ``/``, ``api`` under ``/api/v1/``."""

from django.urls import URLPattern, URLResolver, path

from workflows.api import allocations as allocation_endpoints
from workflows.api import bulk as bulk_endpoints
from workflows.api import queues as queue_endpoints
from workflows.api import routing as routing_endpoints
from workflows.api import run_actions as actions
from workflows.api import runs as endpoints
from workflows.api import schedules as schedule_endpoints
from workflows.api import tasks as task_endpoints
from workflows.api import workflows as definitions
from workflows.views import allocations as allocation_pages
from workflows.views import bulk as bulk_pages
from workflows.views import dead as dead_pages
from workflows.views import new_run, run_actions
from workflows.views import queues as queue_pages
from workflows.views import routing as routing_pages
from workflows.views import runs as views
from workflows.views import schedules as schedule_pages
from workflows.views import workflows as workflow_pages

pages: list[URLPattern | URLResolver] = [
    path("runs/", views.runs, name="runs"),
    path("runs/bulk/", bulk_pages.act_on_runs, name="runs-bulk"),
    path("runs/bulk/<int:pk>/", bulk_pages.bulk_action, name="bulk-action"),
    path("runs/<int:pk>/", views.run, name="run"),
    path("runs/add/", new_run.choose, name="run-choose"),
    path("runs/add/<slug:name>/", new_run.add, name="run-add"),
    path("runs/<int:pk>/cancel/", run_actions.cancel, name="run-cancel"),
    path("runs/<int:pk>/pause/", run_actions.pause, name="run-pause"),
    path("runs/<int:pk>/resume/", run_actions.resume, name="run-resume"),
    path("runs/<int:pk>/retry/", run_actions.retry, name="run-retry"),
    path("runs/<int:pk>/signal/", run_actions.signal, name="run-signal"),
    path("runs/<int:pk>/priority/", run_actions.prioritise, name="run-priority"),
    path("runs/<int:pk>/replay/", new_run.replay, name="run-replay"),
    path("runs/<int:pk>/input.json", views.run_payload, {"side": "input"}, name="run-input"),
    path("runs/<int:pk>/output.json", views.run_payload, {"side": "output"}, name="run-output"),
    path("steps/<int:pk>/", views.step, name="step"),
    path("steps/<int:pk>/answer/", run_actions.answer, name="step-answer"),
    path("steps/<int:pk>/text/", views.step_text, name="step-text"),
    path("steps/<int:pk>/cancel/", run_actions.cancel_step, name="step-cancel"),
    path("steps/<int:pk>/give-up/", run_actions.give_up_undoing, name="step-give-up"),
    path("steps/<int:pk>/requeue/", run_actions.requeue, name="step-requeue"),
    path("steps/<int:pk>/input.json", views.step_payload, {"side": "input"}, name="step-input"),
    path("steps/<int:pk>/output.json", views.step_payload, {"side": "output"}, name="step-output"),
    path("allocations/", allocation_pages.all_allocations, name="allocations"),
    path("allocations/plan/", allocation_pages.plan, name="allocation-plan"),
    path("allocations/run/", allocation_pages.run, name="allocation-run"),
    path("allocations/<int:pk>/", allocation_pages.allocation, name="allocation"),
    path("allocations/<int:pk>/release/", allocation_pages.release, name="allocation-release"),
    path("workflows/", workflow_pages.workflows, name="workflows"),
    path("workflows/new/", workflow_pages.add, name="workflow-add"),
    path("workflows/validate/", workflow_pages.check, name="workflow-check"),
    path("workflows/<slug:name>/", workflow_pages.workflow, name="workflow"),
    path("workflows/<slug:name>/compare/", workflow_pages.compare, name="workflow-compare"),
    path("workflows/<slug:name>/edit/", workflow_pages.edit, name="workflow-edit"),
    path("workflows/<slug:name>/<int:number>/", workflow_pages.workflow, name="workflow"),
    path("workflow/<int:pk>/", workflow_pages.workflow_by_number, name="workflow-by-number"),
    path("queues/", queue_pages.all_queues, name="queues"),
    path("queues/add/", queue_pages.add, name="queue-add"),
    path("queues/<str:name>/settings/", queue_pages.queue, name="queue"),
    path("queues/<str:name>/pause/", queue_pages.switch, {"paused": True}, name="queue-pause"),
    path("queues/<str:name>/resume/", queue_pages.switch, {"paused": False}, name="queue-resume"),
    path("queue/<int:pk>/", queue_pages.queue_by_number, name="queue-by-number"),
    path("routing/add/", routing_pages.add, name="rule-add"),
    path("routing/<int:pk>/", routing_pages.edit, name="rule-edit"),
    path("routing/<int:pk>/up/", routing_pages.move, {"by": -1}, name="rule-up"),
    path("routing/<int:pk>/down/", routing_pages.move, {"by": 1}, name="rule-down"),
    path("routing/<int:pk>/remove/", routing_pages.remove, name="rule-remove"),
    path("dead-letters/", dead_pages.dead_letters, name="dead-letters"),
    path("dead-letters/requeue/", dead_pages.requeue, name="dead-requeue"),
    path("schedules/", schedule_pages.all_schedules, name="schedules"),
    path("schedules/add/", schedule_pages.add, name="schedule-add"),
    path("schedules/preview/", schedule_pages.preview, name="schedule-preview"),
    path("schedules/<int:pk>/", schedule_pages.schedule, name="schedule"),
    path("schedules/<int:pk>/edit/", schedule_pages.edit, name="schedule-edit"),
    path("schedules/<int:pk>/enable/", schedule_pages.switch, {"enabled": True}, name="schedule-enable"),
    path("schedules/<int:pk>/disable/", schedule_pages.switch, {"enabled": False}, name="schedule-disable"),
    path("schedules/<int:pk>/fire/", schedule_pages.fire, name="schedule-fire"),
    path("schedules/<int:pk>/remove/", schedule_pages.remove, name="schedule-remove"),
]
api: list[URLPattern | URLResolver] = [
    path("runs/", endpoints.Runs.as_view(), name="api-runs"),
    path("runs/bulk/", bulk_endpoints.Bulk.as_view(), name="api-runs-bulk"),
    path("runs/bulk/<int:pk>/", bulk_endpoints.BulkPage.as_view(), name="api-runs-bulk-action"),
    path("runs/<int:pk>/", endpoints.RunPage.as_view(), name="api-run"),
    path("runs/<int:pk>/items/", endpoints.Items.as_view(), name="api-run-items"),
    path("runs/<int:pk>/cancel/", actions.Cancel.as_view(), name="api-run-cancel"),
    path("runs/<int:pk>/pause/", actions.Pause.as_view(), name="api-run-pause"),
    path("runs/<int:pk>/resume/", actions.Resume.as_view(), name="api-run-resume"),
    path("runs/<int:pk>/retry/", actions.Retry.as_view(), name="api-run-retry"),
    path("runs/<int:pk>/signal/", actions.SendSignal.as_view(), name="api-run-signal"),
    path("runs/<int:pk>/replay/", actions.Replay.as_view(), name="api-run-replay"),
    path("runs/<int:pk>/priority/", actions.Priority.as_view(), name="api-run-priority"),
    path("steps/<int:pk>/answer/", actions.Answer.as_view(), name="api-step-answer"),
    path("steps/<int:pk>/cancel/", actions.CancelStep.as_view(), name="api-step-cancel"),
    path("steps/<int:pk>/give-up/", actions.GiveUpUndoing.as_view(), name="api-step-give-up"),
    path("steps/<int:pk>/requeue/", actions.Requeue.as_view(), name="api-step-requeue"),
    path("tasks/", task_endpoints.Tasks.as_view(), name="api-tasks"),
    path("tasks/<int:pk>/", task_endpoints.TaskPage.as_view(), name="api-task"),
    path("tasks/<int:pk>/complete/", task_endpoints.Complete.as_view(), name="api-task-complete"),
    path("tasks/<int:pk>/fail/", task_endpoints.Fail.as_view(), name="api-task-fail"),
    path("tasks/<int:pk>/extend/", task_endpoints.Extend.as_view(), name="api-task-extend"),
    path("allocations/", allocation_endpoints.Allocations.as_view(), name="api-allocations"),
    path("allocations/plan/", allocation_endpoints.PlanPage.as_view(), name="api-allocation-plan"),
    path("allocations/<int:pk>/", allocation_endpoints.AllocationPage.as_view(), name="api-allocation"),
    path("allocations/<int:pk>/release/", allocation_endpoints.Release.as_view(), name="api-allocation-release"),
    path("workflows/", definitions.Workflows.as_view(), name="api-workflows"),
    path("workflows/schema/", definitions.DefinitionSchema.as_view(), name="api-workflow-schema"),
    path("workflows/validate/", definitions.Validation.as_view(), name="api-workflow-validate"),
    path("workflows/<slug:name>/", definitions.WorkflowPage.as_view(), name="api-workflow"),
    path("workflows/<slug:name>/versions/", definitions.Versions.as_view(), name="api-workflow-versions"),
    path("workflows/<slug:name>/compare/", definitions.Comparison.as_view(), name="api-workflow-compare"),
    path("queues/", queue_endpoints.Queues.as_view(), name="api-queues"),
    path("queues/<str:name>/", queue_endpoints.QueuePage.as_view(), name="api-queue"),
    path("queues/<str:name>/dead/", queue_endpoints.Dead.as_view(), name="api-queue-dead"),
    path("queues/<str:name>/dead/requeue/", queue_endpoints.Requeue.as_view(), name="api-queue-dead-requeue"),
    path("routing-rules/", routing_endpoints.Rules.as_view(), name="api-routing-rules"),
    path("routing-rules/<int:pk>/", routing_endpoints.RulePage.as_view(), name="api-routing-rule"),
    path("schedules/", schedule_endpoints.Schedules.as_view(), name="api-schedules"),
    path("schedules/preview/", schedule_endpoints.Preview.as_view(), name="api-schedule-preview"),
    path("schedules/<int:pk>/", schedule_endpoints.SchedulePage.as_view(), name="api-schedule"),
    path("schedules/<int:pk>/enable/", schedule_endpoints.Switch.as_view(), name="api-schedule-enable"),
    path("schedules/<int:pk>/disable/", schedule_endpoints.Switch.as_view(enabled=False), name="api-schedule-disable"),
    path("schedules/<int:pk>/fire/", schedule_endpoints.Fire.as_view(), name="api-schedule-fire"),
]
