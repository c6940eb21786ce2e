"""What people do on the page of a run: what it offers to whom, each action, and what a stale or faulty one is told."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.outcomes import Failed
from orchestra.kernel.events import Ref
from tests.audit import actions, last_event
from tests.workflows.conftest import OPERATOR
from workflows import control, engine
from workflows.advance import POISON_LOSSES
from workflows.models import Run, Step

pytestmark = pytest.mark.django_db
WORK = {"capabilities": ["work"]}
FORM = {
    "type": "object",
    "required": ["send", "tone"],
    "properties": {
        "send": {"type": "boolean", "title": "Send it"},
        "tone": {"enum": ["warm", "plain"]},
        "discount": {"type": "number", "maximum": 50},
    },
}


def text(response):
    return response.content.decode()


@pytest.fixture
def flow(worker, publish):
    publish("flow", WORK | {"name": "only"}, WORK | {"name": "more"})
    publish("event", {"name": "wait_for", "signal": "paid"}, {"name": "ask", "human": {"form": FORM}})


@pytest.fixture
def olga(flow, as_, operator):
    return as_(operator)


def start(workflow="flow", payload=None, **more):
    return engine.start(workflow, payload or {}, by=OPERATOR, **more)


def offered(browser, run, step=""):
    context = browser.get(f"/runs/{run.pk}/?step={step}").context
    return set(context["possible"]), set(context["possible_with_step"])


@pytest.mark.parametrize(
    ("arrange", "with_run", "with_step"),
    [
        ("queued", {"cancel", "pause", "replay", "priority"}, {"cancel"}),
        ("paused", {"cancel", "resume", "replay", "priority"}, {"cancel"}),
        ("succeeded", {"retry", "replay"}, {"retry"}),
        ("failed", {"retry", "replay"}, {"retry"}),
        ("cancelled", {"retry", "replay"}, {"retry"}),
    ],
)
def test_only_what_is_possible_now_is_offered(olga, script, arrange, with_run, with_step):
    run = start()
    if arrange in {"paused", "cancelled"}:
        {"paused": control.pause, "cancelled": control.cancel}[arrange](run.pk, by=OPERATOR, reason="strike")
    elif arrange != "queued":
        script.finish(Failed("No.", retryable=False) if arrange == "failed" else None)

    assert offered(olga, run, "only") == (with_run, with_step)


def test_what_waits_for_signals_and_people_offers_both(olga):
    run = start("event")
    assert offered(olga, run, "wait_for") == ({"cancel", "pause", "signal", "replay", "priority"}, {"cancel"})

    engine.signal(run.pk, "paid", {}, by=OPERATOR)

    assert offered(olga, run, "ask")[1] == {"cancel", "answer"}


def test_a_viewer_is_offered_nothing(flow, as_, viewer):
    run = start("event")

    assert offered(as_(viewer), run, "wait_for") == (set(), set())
    assert "data-dialog=" not in text(as_(viewer).get(f"/runs/{run.pk}/", headers={"X-Regions": "run-head run-side"}))


def test_a_run_that_serves_something_or_is_a_step_is_repeated_there(olga, publish, script):
    publish("outer", {"name": "sub", "workflow": "flow"})
    start("outer")
    script.go_on()
    inner = Run.objects.get(parent__isnull=False)

    assert "replay" not in offered(olga, start(serves=Ref("parcel", 7)))[0]
    assert "retry" not in offered(olga, inner)[0]


def test_an_operator_cancels_a_run_with_a_reason(olga):
    run = start()

    answer = olga.post(f"/runs/{run.pk}/cancel/", {"reason": "a mistake"}, follow=True)

    run.refresh_from_db()
    assert (run.status, run.error) == ("cancelled", "a mistake")
    assert f"Run #{run.pk} is cancelled." in text(answer)
    assert {"RunCancelled", "StepCancelled"} <= set(actions())


def test_an_operator_pauses_and_resumes_a_run(olga):
    run = start()

    shown = text(olga.post(f"/runs/{run.pk}/pause/", {"reason": "strike"}, follow=True))
    assert "paused it: strike. Resume it" in shown
    olga.post(f"/runs/{run.pk}/resume/", {"reason": "it is over"})

    run.refresh_from_db()
    assert (run.status, last_event().detail.reason) == ("queued", "it is over")


def test_an_operator_retries_all_of_a_run_or_from_a_step(olga, script):
    run = start()
    script.finish()
    olga.post(f"/runs/{run.pk}/retry/", {"reason": "the shop was closed"})
    assert Step.objects.get(run=run, name="only").status == "ready"
    script.finish()

    answer = olga.post(f"/runs/{run.pk}/retry/", {"from_step": "more"})

    assert answer.url == f"/runs/{run.pk}/?step=more"
    assert [step.status for step in Step.objects.filter(run=run).order_by("pk")] == ["succeeded", "ready"]


def test_an_operator_sends_a_signal_and_sees_which_step_took_it(olga):
    run = start("event")

    answer = olga.post(f"/runs/{run.pk}/signal/", {"name": "paid", "payload": '{"sum": 3}'}, follow=True)

    assert "The signal paid was sent." in text(answer)
    assert Step.objects.get(name="wait_for").output == {"sum": 3}
    assert '<a href="?step=wait_for">wait_for</a>' in text(answer)


def test_the_signal_that_is_waited_for_is_filled_in(olga):
    run = start("event")

    assert 'name="name" value="paid"' in text(olga.get(f"/runs/{run.pk}/"))


@pytest.mark.parametrize(
    ("action", "said", "field"),
    [
        ("signal", {"name": "paid", "payload": "{"}, "payload"),
        ("signal", {"name": "", "payload": ""}, "name"),
        ("priority", {"priority": "high"}, "priority"),
        ("priority", {"priority": "900"}, "priority"),
    ],
)
def test_a_form_with_faults_comes_back_open_with_them_beside_their_fields(olga, action, said, field):
    run = start("event")

    answer = olga.post(f"/runs/{run.pk}/{action}/", said)

    assert (answer.status_code, list(answer.context[f"{action}_form"].errors)) == (422, [field])
    assert f'<dialog id="{action}" class="dialog" aria-labelledby="{action}-title" data-open>' in text(answer)
    assert olga.get(f"/runs/{run.pk}/{action}/").status_code == 200  # where a reload after that leads


def test_an_operator_changes_the_priority(olga):
    run = start()

    olga.post(f"/runs/{run.pk}/priority/", {"priority": "9", "reason": "a VIP"})

    run.refresh_from_db()
    assert (run.priority, last_event().action) == (9, "RunPrioritised")


def test_a_person_answers_with_the_fields_of_the_steps_form(olga):
    run = start("event")
    engine.signal(run.pk, "paid", {}, by=OPERATOR)
    ask = Step.objects.get(name="ask")
    shown = text(olga.get(f"/runs/{run.pk}/?step=ask"))
    assert "Send it" in shown
    assert '<option value="warm">' in shown

    olga.post(f"/steps/{ask.pk}/answer/", {"output.send": "on", "output.tone": "warm", "output.discount": "12.5"})

    ask.refresh_from_db()
    run.refresh_from_db()
    assert (ask.output, run.status) == ({"send": True, "tone": "warm", "discount": 12.5}, "succeeded")


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"output.send": "on"}, "output.tone"),
        ({"output.tone": "cold"}, "output.tone"),
        ({"output.tone": "warm", "output.discount": "70"}, "output.discount"),
    ],
)
def test_an_answer_that_does_not_fit_comes_back_with_its_faults(olga, said, field):
    run = start("event")
    engine.signal(run.pk, "paid", {}, by=OPERATOR)
    ask = Step.objects.get(name="ask")

    answer = olga.post(f"/steps/{ask.pk}/answer/", said)

    assert (answer.status_code, list(answer.context["answer_form"].errors)) == (422, [field])
    assert answer.context["chosen"].step.name == "ask"
    assert olga.get(f"/steps/{ask.pk}/answer/").status_code == 200


def test_without_a_form_any_table_is_an_answer(olga, publish):
    publish("asks", {"name": "ask", "human": {}})
    run = start("asks")
    step = run.steps.get()

    assert olga.post(f"/steps/{step.pk}/answer/", {"output": "[1]"}).status_code == 422
    olga.post(f"/steps/{step.pk}/answer/", {"output": '{"ok": 1}'})

    step.refresh_from_db()
    assert step.output == {"ok": 1}


def test_only_an_administrator_is_asked_what_is_for_one(flow, as_, operator, admin_user, publish):
    publish("asks", {"name": "ask", "human": {"role": "admin"}})
    run = start("asks")

    assert "answer" not in offered(as_(operator), run, "ask")[1]
    assert "answer" in offered(as_(admin_user), run, "ask")[1]
    assert as_(operator).post(f"/steps/{run.steps.get().pk}/answer/", {"output": "{}"}).status_code == 403


def test_a_step_is_cancelled_and_its_run_goes_on(olga):
    run = start("event")

    answer = olga.post(f"/steps/{run.steps.get().pk}/cancel/", {"reason": "paid in cash"}, follow=True)

    assert "wait_for is cancelled; its run goes on." in text(answer)
    assert Step.objects.get(name="ask").status == "waiting"


def test_a_dead_step_is_tried_again(olga, script):
    run = start()
    for _ in range(POISON_LOSSES):
        script.turn()
        script.let_leases_expire()
    step = run.steps.get(name="only")
    assert offered(olga, run, "only")[1] == {"requeue", "retry"}

    olga.post(f"/steps/{step.pk}/requeue/", {"reason": "the executor is mended"})

    step.refresh_from_db()
    assert step.status == "ready"


@pytest.fixture
def stuck(flow, publish, script):
    """A run that is being undone, of which no agent can undo the last step."""
    gone = {"effects": True, "compensate": {"capabilities": ["gone"]}}
    publish("stuck", WORK | gone | {"name": "pay"}, WORK | {"name": "ship"})
    run = start("stuck")
    (pay,) = script.turn().assignments
    (ship,) = script.turn(script.answer(pay)).assignments
    script.turn(script.answer(ship, Failed("No stock.", retryable=False)))
    return run


@pytest.mark.parametrize("step", ["pay", "pay.compensate"])
def test_undoing_that_stands_still_is_given_up_on_its_page_which_then_says_so(olga, stuck, step):
    assert offered(olga, stuck, step)[1] == {"give-up"}
    assert "Give up undoing…" in text(olga.get(f"/runs/{stuck.pk}/?step={step}"))

    address = f"/steps/{stuck.steps.get(name=step).pk}/give-up/"
    assert olga.post(address, {"reason": ""}).status_code == 422
    answer = text(olga.post(address, {"reason": "closed"}, follow=True))

    assert "pay is not undone; settle it by hand, or try again later." in answer
    assert "could not be undone:</strong> try again or settle it by hand." in answer
    assert "Try undoing again…" in answer
    assert "Do it again from here…" in answer
    stuck.refresh_from_db()
    assert (stuck.status, offered(olga, stuck, "pay")[1]) == ("failed", {"requeue", "retry"})


def test_undoing_is_given_up_over_the_api(operator, api, stuck):
    address = f"/api/v1/steps/{stuck.steps.get(name='pay').pk}/give-up/"

    assert api(operator).post(address, {}).status_code == 422
    assert api(operator).post(address, {"reason": "closed"}).json()["status"] == "failed"
    assert api(operator).post(address, {"reason": "closed"}).status_code == 409
    assert api(operator).post("/api/v1/steps/404/give-up/", {"reason": "closed"}).status_code == 404


def test_a_dead_step_that_others_went_on_without_is_not_offered_again(olga, publish, script):
    publish("loose", WORK | {"name": "try", "critical": False}, {"name": "ask", "human": {}})
    run = start("loose")
    for _ in range(POISON_LOSSES):
        script.turn()
        script.let_leases_expire()
    assert run.steps.get(name="try").status == "dead"

    assert offered(olga, run, "try")[1] == set()
    assert olga.post(f"/steps/{run.steps.get(name='try').pk}/requeue/", {"reason": "x"}).status_code == 409


def test_a_step_for_an_administrator_is_offered_to_nobody_else_to_cancel(flow, as_, operator, admin_user, publish):
    publish("asks", {"name": "ask", "human": {"role": "admin"}})
    run = start("asks")

    assert offered(as_(operator), run, "ask")[1] == set()
    assert offered(as_(admin_user), run, "ask")[1] == {"answer", "cancel"}
    assert as_(operator).post(f"/steps/{run.steps.get().pk}/cancel/", {"reason": "x"}).status_code == 403


@pytest.mark.parametrize("path", ["signal", "priority"])
def test_the_pages_of_forms_are_refused_to_a_viewer_before_the_form_is_looked_at(flow, as_, viewer, path):
    run = start("event")

    assert as_(viewer).get(f"/runs/{run.pk}/{path}/").status_code == 403
    assert as_(viewer).post(f"/runs/{run.pk}/{path}/", {}).status_code == 403


@pytest.mark.parametrize("action", ["pause", "resume", "cancel", "retry", "signal", "priority"])
def test_an_action_that_came_too_late_is_refused_and_says_why(olga, script, action):
    run = start()
    control.cancel(run.pk, by=OPERATOR, reason="first")
    if action == "retry":
        control.retry(run.pk, by=OPERATOR)

    answer = olga.post(f"/runs/{run.pk}/{action}/", {"reason": "too late", "name": "paid", "priority": "1"})

    assert answer.status_code == 409
    assert "run" in text(answer)
    assert last_event().action == "RequestRefused"


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_an_action_that_needs_a_reason_does_nothing_without_one(olga, action):
    run = start()

    assert olga.post(f"/runs/{run.pk}/{action}/", {"reason": " "}).status_code == 422
    run.refresh_from_db()
    assert run.status == "queued"


@pytest.mark.parametrize(
    "path",
    ["runs/{}/cancel", "runs/{}/pause", "runs/{}/resume", "runs/{}/retry", "runs/{}/signal", "runs/{}/priority"],
)
def test_a_viewer_may_do_nothing(flow, as_, viewer, path):
    run = start("event")

    answer = as_(viewer).post(f"/{path.format(run.pk)}/", {"reason": "x", "name": "paid", "priority": "1"})

    assert (answer.status_code, last_event().action) == (403, "RequestRefused")


def test_a_double_click_on_cancel_ends_the_run_once(olga):
    run = start()

    first, second = (olga.post(f"/runs/{run.pk}/cancel/", {"reason": "x"}) for _ in range(2))

    assert (first.status_code, second.status_code) == (303, 409)
    assert actions().count("RunCancelled") == 1


def test_the_page_of_a_run_costs_the_same_few_queries_whatever_it_holds(olga, publish, script):
    publish("wide", WORK | {"name": "pick", "for_each": "lines", "critical": False, "max_parallel": 500})
    few, many = (start("wide", {"lines": list(range(count))}) for count in (3, 300))
    script.turn(room=2)

    def queries(run):
        with CaptureQueriesContext(connection) as captured:
            olga.get(f"/runs/{run.pk}/?step=pick")
        return len(captured)

    queries(few)

    assert queries(many) == queries(few) <= 28  # three of them ask PostgreSQL for its clock, three for alerts


def test_the_items_are_shown_page_by_page_and_by_status(olga, publish, script):
    publish("wide", WORK | {"name": "pick", "for_each": "lines", "critical": False, "max_parallel": 500})
    run = start("wide", {"lines": list(range(120))})
    script.go_on(**{"pick[7]": Failed("The shelf is empty.", retryable=False)})

    page = olga.get(f"/runs/{run.pk}/")
    rows = [item.row.name for item in page.context["items"]["rows"]]
    following = olga.get(f"/runs/{run.pk}/{page.context['items']['next_url']}").context["items"]
    failed = olga.get(f"/runs/{run.pk}/?step=pick&items=failed").context["items"]["rows"]

    assert (len(rows), rows[0], rows[1]) == (50, "pick[7]", "pick[0]")
    assert "The shelf is empty." in text(page)
    assert following["rows"][0].row.name == "pick[50]"
    assert [item.row.name for item in failed] == ["pick[7]"]
    assert olga.get(f"/runs/{run.pk}/?step=pick[7]").context["chosen"].step.name == "pick[7]"
    assert olga.get(f"/runs/{run.pk}/?items=nonsense&step=pick").status_code == 422


def test_a_run_within_a_run_links_it_and_is_linked(olga, publish, script):
    publish("outer", {"name": "sub", "workflow": "flow"})
    outer = start("outer")
    script.go_on()
    inner = Run.objects.get(parent__isnull=False)

    assert f'href="/runs/{inner.pk}/"' in text(olga.get(f"/runs/{outer.pk}/"))
    assert f'href="/runs/{outer.pk}/?step=sub"' in text(olga.get(f"/runs/{inner.pk}/"))


def test_a_long_payload_is_cut_and_can_be_had_whole(olga, script):
    run = start(payload={"note": "x" * 200_000, "password": "t0p"})
    script.turn()
    step = Step.objects.get(run=run)

    shown = text(olga.get(f"/runs/{run.pk}/"))
    whole = olga.get(f"/steps/{step.pk}/input.json")

    assert "These are its first 64 KB." in shown
    assert len(shown) < 200_000
    assert whole.json() == {"note": "x" * 200_000, "password": "••••"}
    assert whole["Content-Disposition"] == f'attachment; filename="run-{run.pk}-only-input.json"'
    assert olga.get(f"/runs/{run.pk}/input.json").json()["password"] == "••••"
    assert olga.get(f"/runs/{run.pk}/output.json").json() is None
    assert olga.get("/runs/404/input.json").status_code == 404


def test_markup_in_names_of_signals_answers_and_reasons_is_only_text(olga):
    run = start("event")
    bad = "<script>alert(1)</script>"
    engine.signal(run.pk, bad, {"text": bad}, by=OPERATOR)
    control.pause(run.pk, by=OPERATOR, reason=bad)

    assert bad not in text(olga.get(f"/runs/{run.pk}/"))
