"""The control-flow patterns of the Workflow Patterns Initiative that we promise, one test each, on the real engine."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from agents.outcomes import Done, Failed
from tests.workflows.conftest import OPERATOR
from tests.workflows.looking import state, states
from workflows import control, engine
from workflows.models import Run, RunStatus, Step, StepStatus

pytestmark = pytest.mark.django_db
CATALOGUE = Path(settings.BASE_DIR).parent / "shared" / "data" / "workflow" / "workflow_patterns.json"
WORK = {"capabilities": ["work"]}
BROKEN = Failed("It broke.", retryable=False)


def output(run: Run, name: str) -> Any:
    return Step.objects.get(run=run, name=name).output


def test_every_pattern_that_is_promised_has_a_test() -> None:
    if not CATALOGUE.exists():
        pytest.skip("the catalogue of patterns is not here")
    patterns = json.loads(CATALOGUE.read_text())["patterns"]
    promised = {pattern["id"][-2:] for pattern in patterns if pattern["our_priority"] in ("must", "should")}
    tested = {found[1] for name in globals() if (found := re.match(r"test_wcp_(\d\d)_", name))}
    assert promised - tested == set()


def test_wcp_01_sequence_of_steps_each_after_the_one_above(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "a", **WORK}, {"name": "b", **WORK}, {"name": "c", **WORK})
    assert script.go_on() == ["a", "b", "c"]
    assert state(run) == RunStatus.SUCCEEDED


def test_wcp_02_parallel_split_begins_all_branches_at_once(begin: Any, script: Any) -> None:
    begin({}, {"name": "a", **WORK}, *({"name": name, "needs": ["a"], **WORK} for name in ("b", "c", "d")))
    first = script.claim()["a"]
    assert {claim.step.name for claim in script.turn(script.answer(first)).assignments} == {"b", "c", "d"}


def test_wcp_03_synchronization_waits_for_all_branches(begin: Any, script: Any) -> None:
    begin({}, {"name": "b", **WORK}, {"name": "c", "needs": [], **WORK}, {"name": "d", "needs": ["b", "c"], **WORK})
    claims = script.claim()
    assert script.turn(script.answer(claims["b"])).assignments == []
    (last,) = script.turn(script.answer(claims["c"])).assignments
    assert last.step.name == "d"


def test_wcp_04_exclusive_choice_takes_the_one_branch_whose_condition_holds(begin: Any, script: Any) -> None:
    run = begin(
        {"total": 70},
        {"name": "small", "needs": [], "when": "total < 50", **WORK},
        {"name": "large", "needs": [], "when": "total >= 50", **WORK},
    )
    assert script.go_on() == ["large"]
    assert states(run) == {"small": "skipped", "large": "succeeded"}


def test_wcp_05_simple_merge_goes_on_after_whichever_branch_was_taken(begin: Any, script: Any) -> None:
    run = begin(
        {"total": 70},
        {"name": "small", "needs": [], "when": "total < 50", **WORK},
        {"name": "large", "needs": [], "when": "total >= 50", **WORK},
        {"name": "ship", "needs": ["small", "large"], **WORK},
    )
    assert script.go_on() == ["large", "ship"]
    assert state(run) == RunStatus.SUCCEEDED


def test_wcp_06_multi_choice_takes_every_branch_whose_condition_holds(begin: Any, script: Any) -> None:
    branches = [{"name": f"over_{n}", "needs": [], "when": f"total > {n}", **WORK} for n in (10, 20, 30)]
    begin({"total": 25}, *branches)
    assert sorted(script.go_on()) == ["over_10", "over_20"]


def test_wcp_07_structured_synchronizing_merge_waits_for_the_branches_that_were_taken(begin: Any, script: Any) -> None:
    branches = [{"name": f"over_{n}", "needs": [], "when": f"total > {n}", **WORK} for n in (10, 20, 30)]
    begin({"total": 25}, *branches, {"name": "merge", "needs": ["over_10", "over_20", "over_30"], **WORK})
    claims = script.claim()
    assert script.turn(script.answer(claims["over_10"])).assignments == []
    (last,) = script.turn(script.answer(claims["over_20"])).assignments
    assert last.step.name == "merge"


def test_wcp_09_structured_discriminator_goes_on_once_after_the_first_branch(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "dhl", "needs": [], **WORK},
        {"name": "ups", "needs": [], **WORK},
        {"name": "ship", "needs": ["dhl", "ups"], "join": 1, **WORK},
    )
    claims = script.claim()
    (ship,) = script.turn(script.answer(claims["ups"])).assignments
    assert ship.step.name == "ship"
    assert script.turn(script.answer(ship)).assignments == []
    assert state(run) == RunStatus.RUNNING, "the slower branch is not given up"
    assert script.turn(script.answer(claims["dhl"])).assignments == []
    assert (state(run), Step.objects.filter(run=run, name="ship").count()) == (RunStatus.SUCCEEDED, 1)


def test_wcp_11_implicit_termination_when_nothing_is_left_to_do(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "a", **WORK}, {"name": "b", "needs": [], **WORK})
    claims = script.claim()
    script.turn(script.answer(claims["a"]))
    assert state(run) == RunStatus.RUNNING
    script.turn(script.answer(claims["b"]))
    assert state(run) == RunStatus.SUCCEEDED


def test_wcp_12_multiple_instances_without_synchronization_hold_nothing_up(begin: Any, script: Any) -> None:
    run = begin(
        {"lines": [1, 2]},
        {"name": "notify", "needs": [], "for_each": "lines", "critical": False, **WORK},
        {"name": "ship", "needs": [], **WORK},
        {"name": "bill", "needs": ["ship"], **WORK},
    )
    claims = script.claim()
    assert sorted(claims) == ["notify[0]", "notify[1]", "ship"]
    (bill,) = script.turn(script.answer(claims["ship"])).assignments
    assert bill.step.name == "bill"
    script.turn(script.answer(bill), script.answer(claims["notify[0]"], BROKEN), script.answer(claims["notify[1]"]))
    assert state(run) == RunStatus.SUCCEEDED


def test_wcp_13_multiple_instances_as_many_as_the_definition_says(begin: Any, script: Any) -> None:
    three = "`[1, 2, 3]`"
    run = begin({}, {"name": "copy", "for_each": three, "as": "number", "input": {"n": "number"}, **WORK})
    assert sorted(script.go_on(copy=lambda call: Done({"n": call.input["n"]}))) == ["copy[0]", "copy[1]", "copy[2]"]
    assert output(run, "copy") == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_wcp_14_multiple_instances_as_many_as_the_run_s_data_say(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "order", **WORK},
        {"name": "pick", "for_each": "steps.order.output.lines", "as": "line", "max_parallel": 2, **WORK},
        {"name": "pack", "input": {"picked": "steps.pick.output[].sku"}, **WORK},
    )
    lines = [{"sku": "tea"}, {"sku": "cup"}, {"sku": "pot"}]
    order = script.claim()["order"]
    pair = script.turn(script.answer(order, Done({"lines": lines}))).assignments
    assert len(pair) == 2, "no more at a time than may be"
    (third,) = script.turn(script.answer(pair[0], Done(pair[0].input["line"]))).assignments
    assert script.turn(script.answer(third, Done(third.input["line"]))).assignments == []
    (pack,) = script.turn(script.answer(pair[1], Done(pair[1].input["line"]))).assignments
    assert pack.input == {"picked": ["tea", "cup", "pot"]}, "in their order, whatever ended first"
    script.turn(script.answer(pack))
    assert state(run) == RunStatus.SUCCEEDED


CHOICE = {"name": "either", "first_of": [{"signal": "paid"}, {"wait": "2d"}]}
AFTER = {"name": "ship", "when": "steps.either.output.winner == 'paid'", **WORK}


def test_wcp_16_deferred_choice_first_event_wins(begin: Any, script: Any) -> None:
    run = begin({}, CHOICE, AFTER)
    engine.signal(run.pk, "paid", {"amount": 7}, by=OPERATOR)
    assert output(run, "either") == {"winner": "paid", "payload": {"amount": 7}}
    script.let_time_pass()
    assert script.go_on() == ["ship"]
    assert output(run, "either")["winner"] == "paid", "the time that passes later changes nothing"


def test_wcp_16_deferred_choice_time_wins_and_the_signal_comes_too_late(begin: Any, script: Any) -> None:
    run = begin({}, CHOICE, AFTER, {"name": "remind", **WORK})
    script.let_time_pass()
    engine.signal(run.pk, "paid", by=OPERATOR)
    assert script.go_on() == ["remind"]
    assert output(run, "either") == {"winner": "wait", "payload": None}


def test_wcp_18_milestone_is_asked_for_when_a_step_would_begin(begin: Any, script: Any) -> None:
    def change(run: Run) -> dict[str, str]:
        script.go_on()
        engine.answer(Step.objects.get(run=run, name="ask").pk, {}, by=OPERATOR)
        script.go_on()
        return states(run)

    steps = [
        {"name": "pack", **WORK},
        {"name": "close", "signal": "closed", "needs": ["pack"]},
        {"name": "ask", "human": {}, "needs": []},
        {"name": "amend", "needs": ["ask"], "when": "steps.close.status == 'waiting'", **WORK},
    ]
    open_run = begin({}, *steps)
    assert change(open_run)["amend"] == "succeeded", "packed and not closed yet"
    closed_run = begin({}, *steps)
    engine.signal(closed_run.pk, "closed", by=OPERATOR)
    assert change(closed_run)["amend"] == "skipped", "closed before it was asked"


def test_wcp_19_cancel_task_withdraws_one_step_and_the_run_goes_on(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "print", **WORK}, {"name": "ship", **WORK})
    claim = script.claim()["print"]
    control.cancel_step(claim.step.pk, by=OPERATOR, reason="No label needed.")
    (ship,) = script.turn(script.answer(claim)).assignments
    script.turn(script.answer(ship))
    assert states(run) == {"print": "cancelled", "ship": "succeeded"}
    assert (state(run), output(run, "print")) == (RunStatus.SUCCEEDED, None)


def test_wcp_20_cancel_case_ends_all_of_a_run(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "work", **WORK}, {"name": "ask", "human": {}, "needs": []}, {"name": "later", **WORK})
    claim = script.claim()["work"]
    control.cancel(run.pk, by=OPERATOR, reason="The customer called.")
    assert script.turn(script.answer(claim)).assignments == []
    assert states(run) == {"work": "cancelled", "ask": "cancelled"}
    assert state(run) == RunStatus.CANCELLED


def test_wcp_21_structured_loop_repeats_until_its_condition_holds(begin: Any, script: Any) -> None:
    run = begin({}, {"name": "poll", "repeat": {"until": "steps.poll.output.n >= 3"}, **WORK}, {"name": "on", **WORK})
    seen: list[int] = []

    def poll(call: Any) -> Done:
        seen.append(call.step.round)
        return Done({"n": len(seen)})

    assert script.go_on(poll=poll) == ["poll", "poll", "poll", "on"]
    assert (seen, output(run, "poll")) == ([0, 1, 2], {"n": 3})


def test_each_round_of_a_repeated_step_has_a_key_of_its_own_and_its_attempts_share_it(begin: Any, script: Any) -> None:
    until = "steps.poll.output.n >= 2"
    begin({}, {"name": "poll", "repeat": {"until": until}, "retry": {"attempts": 2, "delay": 0}, **WORK})
    keys: list[str] = []

    def poll(call: Any) -> Any:
        keys.append(call.step.call_key)
        return Failed("Not yet.") if len(keys) == 1 else Done({"n": len(keys) - 1})

    script.go_on(poll=poll)
    assert len(keys) == 3
    assert keys[0] == keys[1] != keys[2]


def test_wcp_22_recursion_a_workflow_begins_itself_until_it_need_not(begin: Any, script: Any) -> None:
    run = begin(
        {"n": 3},
        {"name": "less", **WORK},
        {"name": "rest", "workflow": "flow", "when": "n > 0", "input": {"n": "steps.less.output.n"}},
        output={"n": "n", "inner": "steps.rest.output"},
    )
    script.go_on(less=lambda call: Done({"n": call.input["n"] - 1}))
    run.refresh_from_db()
    assert (run.status, list(Run.objects.order_by("pk").values_list("depth", flat=True))) == ("succeeded", [0, 1, 2, 3])
    assert run.output == {"n": 3, "inner": {"n": 2, "inner": {"n": 1, "inner": {"n": 0, "inner": None}}}}


def test_wcp_24_persistent_trigger_is_kept_until_its_step_waits_for_it(begin: Any, script: Any) -> None:
    run = begin(
        {}, {"name": "pack", **WORK}, {"name": "scan", "signal": "scanned"}, {"name": "again", "signal": "scanned"}
    )
    engine.signal(run.pk, "scanned", {"at": "gate"}, by=OPERATOR)
    script.go_on()
    assert (output(run, "scan"), states(run)["again"]) == ({"at": "gate"}, "waiting")
    engine.signal(run.pk, "scanned", {"at": "door"}, by=OPERATOR)
    assert (output(run, "again"), state(run)) == ({"at": "door"}, RunStatus.SUCCEEDED)


def test_wcp_25_cancel_region_withdraws_all_of_several_steps(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "work", "needs": [], **WORK},
        {"name": "ask", "needs": [], "human": {}},
        {"name": "after", "needs": ["ask"], **WORK},
        {"name": "stopped", "needs": [], "signal": "stop", "cancels": ["work", "ask", "after"]},
        {"name": "tidy", "needs": ["stopped"], **WORK},
    )
    claim = script.claim()["work"]
    engine.signal(run.pk, "stop", by=OPERATOR)
    assert [each.step.name for each in script.turn(script.answer(claim)).assignments] == ["tidy"]
    assert states(run) | {"tidy": ""} == {
        "work": "cancelled", "ask": "cancelled", "after": "cancelled", "stopped": "succeeded", "tidy": "",
    }  # fmt: skip


def test_wcp_26_cancel_multiple_instance_activity_withdraws_all_its_items(begin: Any, script: Any) -> None:
    run = begin(
        {"lines": [1, 2, 3]},
        {"name": "pick", "needs": [], "for_each": "lines", "max_parallel": 2, **WORK},
        {"name": "pack", "needs": ["pick"], **WORK},
    )
    claims = script.claim()
    script.turn(script.answer(claims["pick[0]"]), room=0)
    control.cancel_step(Step.objects.get(run=run, name="pick").pk, by=OPERATOR, reason="Out of stock.")
    (pack,) = script.turn(script.answer(claims["pick[1]"])).assignments
    assert pack.step.name == "pack"
    assert states(run) == {
        "pick": "cancelled", "pick[0]": "succeeded", "pick[1]": "cancelled", "pick[2]": "cancelled", "pack": "running",
    }  # fmt: skip


def test_wcp_29_cancelling_discriminator_gives_up_the_slower_branches(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "dhl", "needs": [], **WORK},
        {"name": "ups", "needs": [], **WORK},
        {"name": "ship", "needs": ["dhl", "ups"], "join": 1, "cancels": ["dhl", "ups"], **WORK},
    )
    claims = script.claim()
    (ship,) = script.turn(script.answer(claims["ups"])).assignments
    assert script.turn(script.answer(ship)).assignments == []
    assert (states(run)["dhl"], state(run)) == (StepStatus.CANCELLED, RunStatus.SUCCEEDED)
    script.turn(script.answer(claims["dhl"]))
    assert output(run, "dhl") is None, "its late answer is refused"


def test_wcp_30_structured_partial_join_goes_on_after_m_of_n_branches(begin: Any, script: Any) -> None:
    votes = [{"name": name, "needs": [], "critical": False, **WORK} for name in ("ada", "ben", "cleo", "dan")]
    run = begin({}, *votes, {"name": "count", "needs": ["ada", "ben", "cleo", "dan"], "join": 2, **WORK})
    claims = script.claim()
    assert script.turn(script.answer(claims["ada"]), script.answer(claims["ben"], BROKEN)).assignments == []
    (count,) = script.turn(script.answer(claims["dan"])).assignments
    assert count.step.name == "count"
    script.turn(script.answer(count), script.answer(claims["cleo"]))
    assert state(run) == RunStatus.SUCCEEDED


def test_wcp_39_critical_section_lets_only_one_of_several_branches_in_at_a_time(begin: Any, script: Any) -> None:
    alone = {"needs": [], "concurrency": {"key": "desk"}, **WORK}
    run = begin(
        {"desk": "north"}, {"name": "a", **alone}, {"name": "b", **alone}, {"name": "free", "needs": [], **WORK}
    )
    other = engine.start("flow", {"desk": "south"}, by=OPERATOR)
    claims = script.turn().assignments
    inside = [(claim.step.run_id, claim.step.name) for claim in claims if claim.step.name != "free"]
    assert sorted({pk for pk, _ in inside}) == [run.pk, other.pk] and len(inside) == 2
    assert script.turn().assignments == []
    following = script.turn(*(script.answer(claim) for claim in claims)).assignments
    assert sorted((claim.step.run_id, claim.step.name) for claim in following) == sorted(
        (pk, {"a": "b", "b": "a"}[name]) for pk, name in inside
    )


def test_wcp_43_explicit_termination_ends_the_run_whatever_is_still_open(begin: Any, script: Any) -> None:
    run = begin(
        {},
        {"name": "slow", "needs": [], **WORK},
        {"name": "check", "needs": [], **WORK},
        {"name": "stop", "needs": ["check"], "when": "steps.check.output.fraud", "end": "failed"},
        {"name": "ship", "needs": ["stop"], **WORK},
    )
    claims = script.claim()
    assert script.turn(script.answer(claims["check"], Done({"fraud": True}))).assignments == []
    assert (state(run), states(run)["slow"]) == (RunStatus.FAILED, "cancelled")
    assert Run.objects.get(pk=run.pk).error == "The step stop ended it."
    assert not Step.objects.filter(run=run, name="ship", status="ready").exists()
