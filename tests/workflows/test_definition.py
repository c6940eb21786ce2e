"""A definition is read strictly, and every fault is named by its path at once."""

from typing import Any

import pytest

from agents.granting import Line
from orchestra.kernel.errors import Invalid
from orchestra.kernel.retry import RetryPolicy
from workflows.definition import Branch, CompensateSpec, ConcurrencySpec, HumanSpec, RepeatSpec
from workflows.definition_schema import MAX_STEPS
from workflows.definition_table import seconds
from workflows.reader import parse


def step(name: str = "one", **rest: Any) -> dict[str, Any]:
    return {"name": name, "capabilities": ["work"], **rest}


def faults(definition: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        parse(definition)
    return {fault["path"]: fault["message"] for fault in caught.value.errors}


def test_steps_follow_the_one_before_unless_they_say_what_they_need() -> None:
    read = parse({"name": "flow", "steps": [step("a"), step("b"), step("c", needs=["a"]), step("d", needs=[])]})
    assert {one.name: one.needs for one in read.steps} == {"a": (), "b": ("a",), "c": ("a",), "d": ()}


def test_a_step_has_the_contract_s_defaults() -> None:
    one = parse({"name": "flow", "steps": [step()]}).step("one")
    assert (one.timeout_s, one.critical, one.effects, one.retry.attempts, one.when) == (30.0, True, False, 1, "")


def test_every_fault_is_named_at_once() -> None:
    found = faults(
        {
            "name": "Flow",
            "colour": "red",
            "steps": [
                {"name": "a"},
                step("b", needs=["nobody"], timeout="soon", when="1 +", input={"x": "[["}),
                step("b", retry={"attempts": 0, "delay": "-1s", "wait": 3}, critical="yes"),
                "c",
                step("d", human={"role": "king"}, capabilities=["{{ [[ }}"]),
            ],
        }
    )
    assert set(found) == {
        "name",
        "colour",
        "steps[0].capabilities",
        "steps[1].needs",
        "steps[1].timeout",
        "steps[1].when",
        "steps[1].input.x",
        "steps[2].name",
        "steps[2].retry.attempts",
        "steps[2].retry.delay",
        "steps[2].retry.wait",
        "steps[2].critical",
        "steps[3]",
        "steps[4].human",
        "steps[4].human.role",
        "steps[4].capabilities[0]",
    }


def test_steps_that_wait_for_each_other_are_named() -> None:
    found = faults({"name": "flow", "steps": [step("a", needs=["b"]), step("b", needs=["a"])]})
    assert "a" in found["steps"] and "b" in found["steps"] and "wait for each other" in found["steps"]


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        ([], ""),
        ({"name": "flow"}, "steps"),
        ({"name": "flow", "steps": []}, "steps"),
        ({"name": "flow", "steps": [step(f"s{n}") for n in range(MAX_STEPS + 1)]}, "steps"),
        ({"name": "flow", "steps": [step()], "title": "x" * 300_000}, ""),
        ({"name": "flow", "steps": [step(timeout=0)]}, "steps[0].timeout"),
        ({"name": "flow", "steps": [step(when="[1].all(x, x > 0)")]}, "steps[0].when"),
        ({"name": "flow", "steps": [step()], "output": {"a": "b["}}, "output.a"),
        ({"name": "flow", "steps": [step()], "input_schema": {"type": "thing"}}, "input_schema"),
        ({"name": "flow", "steps": [step()], "input_schema": "text"}, "input_schema"),
    ],
)
def test_bad_definitions_are_refused(definition: Any, path: str) -> None:
    assert path in faults(definition)


HUMAN = {"name": "one", "human": {}}
WAIT = {"name": "one", "wait": "5m"}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (step(human={}), "human"),
        ({**WAIT, "signal": "paid"}, "signal"),
        ({**WAIT, "retry": {}}, "retry"),
        ({**WAIT, "timeout": 5}, "timeout"),
        ({**HUMAN, "for_each": "lines"}, "for_each"),
        ({**HUMAN, "repeat": {"until": "true"}}, "repeat"),
        ({"name": "one", "end": "failed", "compensate": {"capabilities": ["undo"]}}, "compensate"),
        ({"name": "one", "end": "stopped"}, "end"),
        ({"name": "one", "wait": "367d"}, "wait"),
        ({"name": "one", "signal": "no spaces"}, "signal"),
        ({"name": "one", "workflow": "Other"}, "workflow"),
        (step(timeout="25h"), "timeout"),
        (step(timeout=None), "timeout"),
        (step(capabilities=[]), "capabilities"),
        (step(capabilities=["{{ open"]), "capabilities[0]"),
        (step(needs=["one", "one"]), "needs"),
        (step(needs=[], join=1), "join"),
        (step(needs=[], join=0), "join"),
        (step(cancels=["one"]), "cancels"),
        (step(for_each=""), "for_each"),
        (step(for_each="lines", max_parallel=0), "max_parallel"),
        (step(for_each="lines", max_parallel=10_001), "max_parallel"),
        (step(for_each="lines", **{"as": "steps"}), "as"),
        (step(max_parallel=3), "max_parallel"),
        (step(**{"as": "line"}), "as"),
        (step(repeat={}), "repeat.until"),
        (step(repeat={"until": "1 +"}), "repeat.until"),
        (step(repeat={"until": "true", "max": 10_001}), "repeat.max"),
        (step(repeat={"until": "true", "delay": "now"}), "repeat.delay"),
        (step(compensate={}), "compensate.capabilities"),
        (step(compensate={"capabilities": ["undo"], "input": {"x": ["["]}}), "compensate.input.x[0]"),
        (step(compensate={"capabilities": ["undo"], "retry": {"attempts": 101}}), "compensate.retry.attempts"),
        (step(compensate="undo"), "compensate"),
        (step(concurrency={"key": "order."}), "concurrency.key"),
        (step(concurrency={"key": "{{ order. }}"}), "concurrency.key"),
        (step(concurrency={"limit": 2}), "concurrency.key"),
        (step(concurrency={"key": "order.id", "limit": 0}), "concurrency.limit"),
        (step(on_failure="ignore"), "on_failure"),
        (step(retry={"factor": 0.5}), "retry.factor"),
        (step(retry={"attempts": True}), "retry.attempts"),
        (step(resources=[{}]), "resources[0].type"),
        (step(resources=[{"type": "bench", "units": 0}]), "resources[0].units"),
        (step(resources=[{"type": "bench", "units": 1.5}]), "resources[0].units"),
        (step(resources=[{"type": "bench", "specs": ["large"]}]), "resources[0].specs"),
        (step(resources=[{"type": "bench", "specs": {"size": {"above": 5}}}]), "resources[0].specs.size"),
        (step(resources=[{"type": "bench", "specs": {"size": {"in": []}}}]), "resources[0].specs.size.in"),
        (step(resources=[{"type": "bench", "specs": {"size": {"at_least": "5"}}}]), "resources[0].specs.size.at_least"),
        (step(resources=[{"type": "bench", "specs": {"size": {"range": [8, 2]}}}]), "resources[0].specs.size.range"),
        (step(resources=[{"type": "bench"}, {"type": "bench"}]), "resources[1].name"),
        (step(resources=["bench"]), "resources[0]"),
        (step(actions=[{"operation": "ship"}]), "actions[0].entity"),
        (step(actions=[{"entity": "order:{{ [ }}"}]), "actions[0].entity"),
        (step(actions=[{"entity": "order", "priority": 1001}]), "actions[0].priority"),
        ({"name": "one", "first_of": [{"signal": "paid"}]}, "first_of"),
        ({"name": "one", "first_of": "paid"}, "first_of"),
        ({"name": "one", "first_of": [{"signal": "paid"}, {}]}, "first_of[1]"),
        ({"name": "one", "first_of": [{"signal": "paid"}, {"signal": "paid"}]}, "first_of[1].name"),
        ({"name": "one", "first_of": [{"signal": "paid", "wait": 1}, {"wait": 2}]}, "first_of[0]"),
        ({"name": "one", "human": {"on_timeout": "give_up"}}, "human.on_timeout"),
        ({"name": "one", "human": {"timeout": 0}}, "human.timeout"),
        ({"name": "one", "human": {"form": {"type": "thing"}}}, "human.form"),
        ({"name": "one", "human": {"form": []}}, "human.form"),
        ({"name": "one", "human": None}, "human"),
    ],
)
def test_a_step_that_says_what_it_cannot_is_refused_where_it_says_so(given: dict[str, Any], path: str) -> None:
    assert f"steps[0].{path}" in faults({"name": "flow", "steps": [given]})


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"deadline": 0}, "deadline"),
        ({"deadline": "soon"}, "deadline"),
        ({"queue": ""}, "queue"),
        ({"queue": "q" * 51}, "queue"),
        ({"serves": 3}, "serves"),
        ({"output": ["a"]}, "output"),
        ({"output": {"a": ["b["]}}, "output.a[0]"),
        ({"resources": {"type": "bench"}}, "resources"),
        ({"name": "schema"}, "name"),
        ({"title": None}, "title"),
        ({"input_schema": {"properties": {"a": {"pattern": "["}}}}, "input_schema"),
    ],
)
def test_a_workflow_that_says_what_it_cannot_is_refused_where_it_says_so(given: dict[str, Any], path: str) -> None:
    assert path in faults({"name": "flow", "steps": [step()], **given})


def test_everything_that_a_step_can_say_is_read() -> None:
    given = step(
        "pay",
        for_each="order.lines",
        max_parallel=3,
        repeat={"until": "steps.pay.output.done", "max": 5, "delay": "10s"},
        compensate={"capabilities": ["refund"], "prefers": ["quick"], "input": {"id": "output.id"}, "timeout": "1m"},
        concurrency={"key": "order.email", "limit": 2},
        on_failure="escalate",
        effects=True,
        critical=False,
        title="Pay",
        prefers=["{{ order.bank }}"],
        resources=[{"type": "terminal"}],
        actions=[{"entity": "order:{{ order.id }}"}],
        retry={"attempts": 3, "delay": "2s", "factor": 3, "max_delay": "1m", "jitter": False},
        **{"as": "line"},
    )

    read = parse({"name": "flow", "steps": [given]}).step("pay")

    assert (read.for_each, read.item_name, read.max_parallel) == ("order.lines", "line", 3)
    assert read.repeat == RepeatSpec("steps.pay.output.done", 5, 10.0)
    undo = CompensateSpec(("refund",), ("quick",), {"id": "output.id"}, 60.0, RetryPolicy(attempts=5))
    assert read.compensate == undo
    assert read.concurrency == ConcurrencySpec("order.email", 2)
    assert (read.on_failure, read.effects, read.critical, read.title) == ("escalate", True, False, "Pay")
    assert read.prefers == ("{{ order.bank }}",)
    assert (read.resources, read.actions) == ((Line("terminal", "terminal"),), ({"entity": "order:{{ order.id }}"},))
    assert read.retry == RetryPolicy(3, 2.0, 3.0, 60.0, False)


def test_each_kind_of_step_is_read_as_what_it_is() -> None:
    form = {"type": "object", "properties": {"send": {"type": "boolean"}}}
    read = parse(
        {
            "name": "flow",
            "deadline": "2h",
            "resources": [{"name": "bench", "type": "packing_bench", "units": 2, "specs": {"size": "large"}}],
            "steps": [
                {
                    "name": "ask",
                    "human": {"role": "admin", "title": "Well?", "form": form, "timeout": "4h", "on_timeout": "skip"},
                },
                {"name": "rest", "wait": "15m"},
                {"name": "event", "signal": "parcel.scanned", "timeout": "24h"},
                {"name": "sub", "workflow": "other"},
                {"name": "either", "first_of": [{"signal": "paid"}, {"wait": "2d"}]},
                step("last", needs=["sub", "either"], join=1, cancels=["rest"]),
                {"name": "stop", "end": "failed"},
            ],
        }
    )

    kinds = {one.name: one.kind for one in read.steps}
    assert kinds == {
        "ask": "human", "rest": "wait", "event": "signal", "sub": "workflow", "either": "first_of", "last": "agent",
        "stop": "end",
    }  # fmt: skip
    assert read.step("ask").human == HumanSpec("admin", "Well?", form, 14_400.0, "skip")
    assert (read.step("rest").wait_s, read.step("event").signal) == (900.0, "parcel.scanned")
    assert read.step("either").first_of == (Branch("paid", "paid"), Branch("wait", "", 172_800.0))
    assert (read.step("last").join, read.step("last").cancels, read.step("stop").end) == (1, ("rest",), "failed")
    assert read.resources == (Line("bench", "packing_bench", 2, {"size": "large"}),)
    assert read.deadline_s == 7200.0


def test_only_agents_have_a_time_limit_that_nobody_gave() -> None:
    steps = [
        step("a"),
        {"name": "b", "signal": "paid"},
        {"name": "c", "workflow": "flow"},
        {"name": "d", "signal": "x", "timeout": "2d"},
    ]

    read = parse({"name": "flow", "steps": steps})

    assert [one.timeout_s for one in read.steps] == [30.0, 0.0, 0.0, 172_800.0]


def test_a_condition_may_be_as_long_as_conditions_may_be() -> None:
    condition = " || ".join(["order.total > 1000"] * 20)

    assert 200 < len(condition) < 500
    assert parse({"name": "flow", "steps": [step(when=condition)]}).step("one").when == condition


@pytest.mark.parametrize("value", [{1: "a"}, {"a": float("nan")}, {"a": "nul\x00"}, {"a": "\ud800"}, {"a": {"b", "c"}}])
def test_what_json_or_the_database_cannot_hold_is_refused(value: Any) -> None:
    assert faults({"name": "flow", "steps": [step(input=value)]}).keys() <= {"steps[0].input", "steps[0].input.a"}


def test_deep_nesting_is_refused_before_anything_walks_down() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]

    assert "nested" in next(iter(faults({"name": "flow", "steps": [step(input=deep)]}).values()))


@pytest.mark.parametrize(
    ("text", "expected"), [("500ms", 0.5), ("30s", 30), ("1.5m", 90), ("2h", 7200), ("1d", 86400), (4, 4), (0.25, 0.25)]
)
def test_durations(text: Any, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "-1s", "1w", True, None, -1, float("inf"), float("nan")])
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(ValueError, match="seconds"):
        seconds(text)
