"""The engine on a real database: whatever it is told to do, dying before any commit changes nothing of how it ends."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agents.models import Agent, Resource
from agents.outcomes import Done, Failed, Fault, Outcome
from orchestra.kernel.models import Event
from tests.workflows import stock_of_resources as stock
from tests.workflows.conftest import OPERATOR, SYSTEM, Script
from workflows import definitions, engine, expressions, queue, relay, ticker
from workflows.advance import Result
from workflows.definition import is_undo, undo, undone_by
from workflows.group import Group
from workflows.models import RUN_ENDS, Run, Step, StepStatus, WaitsFor
from workflows.queue import Assignment

pytestmark = pytest.mark.django_db
WORK = {"capabilities": ["work"]}
INNER = {"steps": [{"name": "in", **WORK, "retry": {"attempts": 2, "delay": 0}}, {"name": "out", **WORK}]}
expressions.holds("true", {})  # CEL raises the limit of recursion at its first use, which is not to be within a test
MOST_CRASHES = 4
"""Fewer than make a step count as poison."""
PATIENCE = 400


class Death(BaseException):
    """The process dies before its commit; nothing that catches errors catches this."""


@st.composite
def flows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Small definitions in which it does not matter for the end what happens first."""
    steps = []
    for index in range(draw(st.integers(1, 5))):
        earlier = [f"s{n}" for n in range(index)]
        step: dict[str, Any] = {"name": f"s{index}", "needs": []}
        if earlier:
            step["needs"] = draw(st.lists(st.sampled_from(earlier), unique=True))
        step |= draw(
            st.sampled_from(
                [WORK, WORK, {"human": {}}, {"for_each": "lines", "max_parallel": 2, **WORK}, {"workflow": "inner"}]
            )
        )
        step["critical"] = draw(st.booleans())
        step["on_failure"] = draw(st.sampled_from(["fail", "fail", "skip"]))
        step["when"] = draw(st.sampled_from(["true", "true", "false", "nobody.knows"]))
        if "capabilities" in step:
            step["retry"] = {"attempts": draw(st.integers(1, 2)), "delay": 0}
        if draw(st.booleans()):
            step["resources"] = [{"type": "bench"}]
        if draw(st.booleans()) and "workflow" not in step:
            step["compensate"] = {"capabilities": ["work"], "retry": {"attempts": 2, "delay": 0}}
        steps.append(step)
    return steps


@dataclass
class Driver:
    """An executor that takes turns in an order of chance, dies at chance, and keeps what was called under which key."""

    run: Run
    tries: dict[str, list[str]]
    chance: random.Random
    crashes: int
    script: Script = field(default_factory=Script)
    held: dict[int, Assignment] = field(default_factory=dict)
    pending: list[Result] = field(default_factory=list)
    keys: dict[tuple[int, str], set[str]] = field(default_factory=dict)

    def drive(self) -> Run:
        for _ in range(PATIENCE):
            if Run.objects.filter(pk=self.run.pk, status__in=RUN_ENDS).exists() and not (self.held or self.pending):
                ticker.tick()
                return Run.objects.get(pk=self.run.pk)
            try:
                with self.maybe_dying():
                    self.turn()
                    relay.deliver()
            except Death:
                self.die_or_recover()
            if not self.held and not self.pending:
                self.answer_persons()
        raise AssertionError(f"the run never ends: {Step.objects.filter(run=self.run).values('name', 'status')}")

    def turn(self) -> None:
        for each in [each for each in self.held.values() if self.chance.random() < 0.6]:
            self.pending.append(self.script.answer(each, self.outcome(each.step)))
            del self.held[each.step.pk]
        turn = self.script.turn(*self.pending, room=self.chance.randint(0, 4))
        self.pending = []
        for each in turn.assignments:
            self.held[each.step.pk] = each
            self.keys.setdefault((each.step.run_id, each.step.name), set()).add(str(each.step.key))

    def die_or_recover(self) -> None:
        """Either the whole process is gone, or it only lost the database and tries what came back again."""
        if self.chance.random() < 0.5:
            self.held, self.pending = {}, []
            self.script.let_leases_expire()
        else:
            self.pending = queue.renew(self.pending, [each.step for each in self.held.values()])

    def outcome(self, step: Step) -> Outcome:
        """By the number of the try, of which those that were lost are none."""
        tries = self.tries.get(step.name, ["done"])
        match tries[min(step.attempt - step.losses, len(tries)) - 1]:
            case "busy":
                return Failed("It was busy.", fault=Fault.CALLER)  # an agent at fault would be given a rest
            case "broken":
                return Failed("It broke.", retryable=False, fault=Fault.CALLER)
        return Done({"step": step.name})

    def answer_persons(self) -> None:
        for pk in Step.objects.filter(status=StepStatus.WAITING, waits_for=WaitsFor.PERSON).values_list(
            "pk", flat=True
        ):
            engine.answer(pk, {}, by=OPERATOR)

    @contextmanager
    def maybe_dying(self) -> Iterator[None]:
        """Let one of the next saves be the last thing that happens before the process dies, its commit never comes."""
        if not self.crashes or self.chance.random() < 0.6:
            yield
            return
        self.crashes -= 1
        left, save = self.chance.randint(0, 1), Group.save

        def dying(group: Group) -> None:
            nonlocal left
            save(group)
            left -= 1
            if left < 0:
                raise Death

        Group.save = dying  # type: ignore[method-assign]
        try:
            yield
        finally:
            Group.save = save  # type: ignore[method-assign]


def end_of(run: Run) -> dict[str, Any]:
    """How a run and those within it came out."""
    found: dict[str, Any] = {"run": run.status, "compensated": run.compensated}
    for step in Step.objects.filter(run=run).exclude(status=StepStatus.PENDING):
        found[step.name] = (step.status, step.output)
        for child in Run.objects.filter(parent=step):
            found[f"{step.name}/"] = end_of(child)
    return found


def check_undone(run: Run) -> None:
    """What had succeeded and can be undone was undone, once, the last first; nothing else was."""
    steps = {step.name: step for step in Step.objects.filter(run=run)}
    undone = [step for name, step in steps.items() if is_undo(name)]
    for step in undone:
        assert steps[undone_by(step.name)].status in ("compensated", "dead")
    in_order = sorted(undone, key=lambda step: step.created_at)
    finished = [steps[undone_by(step.name)].finished_at for step in in_order]
    assert finished == sorted(finished, reverse=True)
    specs = definitions.parsed([run.version_id])[run.version_id]
    for name, step in steps.items():
        if not is_undo(name) and specs.step(name).compensate and step.total is None and step.status == "succeeded":
            statuses = {each.name: each.status for each in steps.values()}
            assert run.status == "succeeded" and undo(name) not in steps, f"{name} in {run.error!r}: {statuses}"


def check_events(run: Run) -> None:
    told = Event.objects.filter(parent_kind="run", action__in=("StepSucceeded", "StepAnswered"))
    counts = Counter(told.values_list("parent_id", "target_label"))
    assert {name: count for name, count in counts.items() if count > 1} == {}
    ends = Event.objects.filter(target_kind="run", action__in=("RunSucceeded", "RunFailed", "RunCancelled"))
    assert set(Counter(ends.values_list("target_id", flat=True)).values()) <= {1}
    assert not Run.objects.exclude(status__in=RUN_ENDS).exists(), "nothing is left under way"
    assert not Step.objects.filter(status__in=("ready", "running", "waiting")).exists()
    assert (stock.used(), stock.in_line()) == ({}, []), "all that was held is free"


@given(st.data(), st.integers(), st.integers())
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.generate],  # to shrink would take minutes
)
def test_dying_at_any_commit_changes_nothing_of_the_end(
    worker: Agent, data: st.DataObject, one: int, other: int
) -> None:
    definitions.publish("inner", INNER, by=SYSTEM, allow_unknown=True)
    if not Resource.objects.exists():
        stock.add("Bench 1", capacity=2)
    steps = data.draw(flows())
    names = [step["name"] for step in steps] + [f"{step['name']}[{n}]" for step in steps for n in range(3)]
    names += ["in", "out", *(undo(name) for name in names)]
    tries = {
        name: data.draw(st.lists(st.sampled_from(["done", "done", "busy", "broken"]), min_size=1)) for name in names
    }
    definitions.publish("flow", {"steps": steps}, by=SYSTEM, allow_unknown=True)
    ends = []
    for seed, crashes in ((one, 0), (other, MOST_CRASHES)):
        run = engine.start("flow", {"lines": [1, 2, 3]}, by=OPERATOR)
        driver = Driver(run, tries, random.Random(seed), crashes)
        run = driver.drive()
        assert all(len(keys) == 1 for keys in driver.keys.values()), "a step keeps its key whatever happens"
        check_undone(run)
        ends.append(end_of(run))
    check_events(run)
    assert ends[0]["run"] == ends[1]["run"]
    if ends[0]["run"] == "succeeded":
        assert ends[0] == ends[1]


@pytest.mark.parametrize("dies_at", range(12))
def test_dying_at_each_of_its_commits_in_turn_loses_and_doubles_nothing(
    publish: Any, worker: Agent, script: Script, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    publish("inner", {"name": "in", **WORK})
    effect = {"effects": True, "compensate": {"capabilities": ["work"]}}
    publish(
        "flow",
        {"name": "pay", **WORK, **effect},
        {"name": "pick", "for_each": "lines", **WORK},
        {"name": "sub", "workflow": "inner"},
        {"name": "ship", **WORK},
    )
    run = engine.start("flow", {"lines": [1, 2]}, by=OPERATOR)
    save, saves = Group.save, iter(range(10**6))

    def dying(group: Group) -> None:
        save(group)
        if next(saves) == dies_at:
            raise Death

    broken = {"ship": Failed("It broke.", retryable=False)}
    with monkeypatch.context() as patch:
        patch.setattr(Group, "save", dying)
        with suppress(Death):
            script.go_on(**broken)
    script.let_leases_expire()
    script.go_on(**broken)
    run.refresh_from_db()
    assert (run.status, run.compensated) == ("failed", True)
    assert dict(Step.objects.filter(run=run).values_list("name", "status")) == {
        "pay": "compensated", "pick": "succeeded", "pick[0]": "succeeded", "pick[1]": "succeeded", "sub": "succeeded",
        "ship": "failed", "pay.compensate": "succeeded",
    }  # fmt: skip
    check_events(run)
