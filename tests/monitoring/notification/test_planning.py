"""Groups in time: wait, interval, repeat, resolution, escalation, reminders, digests."""

from dataclasses import replace

from monitoring.notification.groups import Fact, Group, members_of
from monitoring.notification.planning import Planner
from monitoring.notification.routing import ChannelRef, InhibitionRule, Rules, SilenceRule
from tests.monitoring.notification.simulated import MAIL, PAGER, Simulation, T, labels, route

HOUR = 3_600
CRITICAL = {"label": "severity", "operator": "=", "value": "critical"}
WARNING = {"label": "severity", "operator": "=", "value": "warning"}


# --- Wait, interval, repeat ---


def test_a_new_group_waits_for_others_to_join_and_is_told_as_one() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    world.hear(29, 2)
    assert world.told(30) == [(30, "firing", "Mail", [1, 2])]


def test_news_of_a_group_come_at_most_once_an_interval() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    world.hear(31, 2)
    world.hear(200, 3)
    assert world.told(HOUR) == [(30, "firing", "Mail", [1]), (330, "firing", "Mail", [2, 3])]


def test_news_after_a_quiet_interval_are_told_at_once() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    world.hear(1_000, 2)
    assert world.told(HOUR)[1] == (1_000, "firing", "Mail", [2])


def test_what_still_fires_is_told_again_after_the_repeat_time() -> None:
    world = Simulation(route(repeat_s=HOUR))
    world.hear(0, 1)
    assert world.told(2 * HOUR + 100) == [
        (30, "firing", "Mail", [1]),
        (HOUR + 30, "repeat", "Mail", [1]),
        (2 * HOUR + 30, "repeat", "Mail", [1]),
    ]


def test_news_put_the_repetition_off() -> None:
    world = Simulation(route(repeat_s=HOUR))
    world.hear(0, 1)
    world.hear(HOUR, 2)
    assert [told[:2] for told in world.told(2 * HOUR)] == [(30, "firing"), (HOUR, "firing"), (2 * HOUR, "repeat")]


def test_a_repeat_time_of_zero_repeats_nothing() -> None:
    world = Simulation(route(repeat_s=0))
    world.hear(0, 1)
    assert len(world.told(100 * HOUR)) == 1
    assert world.planner.next_due() is None


def test_groups_are_made_of_the_labels_that_the_route_names() -> None:
    world = Simulation(route(group_by=("agent",)))
    world.hear(0, 1)
    world.hear(0, 2)
    assert world.told(30) == [(30, "firing", "Mail", [1]), (30, "firing", "Mail", [2])]


def test_a_thousand_alerts_in_one_tick_are_one_message() -> None:
    world = Simulation(route())
    for number in range(1, 1_001):
        world.hear(0, number)
    [(_, kind, _, alerts)] = world.told(HOUR)
    assert kind == "firing" and len(alerts) == 1_000


# --- Resolution ---


def test_who_was_told_that_it_fires_is_told_that_it_resolved() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    world.hear(100, 1, "resolved")
    assert world.told(HOUR) == [(30, "firing", "Mail", [1]), (330, "resolved", "Mail", [1])]
    assert world.planner.next_due() is None


def test_what_resolves_within_the_wait_is_never_told_but_written_down() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    world.hear(20, 1, "resolved")
    assert world.told(HOUR) == []
    assert world.suppressed() == [(30, "resolved", "Mail", [1])]
    assert world.why()[-1] == "It resolved before anybody had been told that it fires."


def test_what_fires_again_before_its_resolution_was_told_says_nothing() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    world.hear(100, 1, "resolved")
    world.hear(200, 1, "firing")
    assert world.told(HOUR) == [(30, "firing", "Mail", [1])]


def test_a_group_that_was_empty_waits_anew() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    world.hear(1_000, 1, "resolved")
    world.hear(1_010, 1, "firing")
    assert world.told(HOUR) == [
        (30, "firing", "Mail", [1]),
        (1_000, "resolved", "Mail", [1]),
        (1_040, "firing", "Mail", [1]),
    ]


def test_news_and_resolutions_of_a_group_go_in_one_message_of_the_gravest_kind() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    world.hear(100, 1, "resolved")
    world.hear(110, 2)
    world.hear(120, 3, "no_data")
    assert world.told(HOUR)[1] == (330, "firing", "Mail", [1, 2, 3])


def test_missing_data_are_told_and_their_return_too() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    world.hear(1_000, 1, "no_data")
    world.hear(2_000, 1, "firing")
    assert [told[:2] for told in world.told(HOUR)] == [(30, "firing"), (1_000, "no_data"), (2_000, "firing")]


def test_a_recovering_alert_says_nothing_new() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    world.hear(400, 1, "recovering")
    world.hear(500, 1, "firing")
    assert len(world.told(HOUR)) == 1


def test_a_pending_alert_is_nobodys_news() -> None:
    world = Simulation(route())
    world.hear(0, 1, "pending")
    assert world.told(HOUR) == [] and world.suppressed() == []


def test_an_alert_that_was_removed_is_forgotten() -> None:
    group = Group(1, "{}", {}, T, members=members_of({"7": {"said": "firing", "said_at": T}}), sent_at=T, due_at=T + 60)
    planner = Planner(Rules(routes=[route()]), groups=[group])
    assert planner.due(T + 60) == [] and group.members == {} and group.due_at is None


# --- Channels ---


def test_every_channel_of_the_route_is_told() -> None:
    world = Simulation(route(channels=(MAIL, PAGER)))
    world.hear(0, 1)
    assert [told[2] for told in world.told(30)] == ["Mail", "Pager"]


def test_a_channel_that_is_switched_off_is_not_told_and_says_why() -> None:
    world = Simulation(route(channels=(replace(MAIL, enabled=False), PAGER)))
    world.hear(0, 1)
    assert [told[2] for told in world.told(30)] == ["Pager"]
    assert world.why(0)[-1] == "The channel “Mail” is switched off, so it is not sent there."


def test_a_route_without_channels_says_that_nobody_is_told() -> None:
    world = Simulation(route(channels=()))
    world.hear(0, 1)
    assert world.told(30) == []
    assert world.why()[-1] == "Route “All” has no channel, so nobody is told; give it one."


def test_without_routes_alerts_are_shown_in_the_browser() -> None:
    world = Simulation()
    world.hear(0, 1)
    assert world.told(30) == [(30, "firing", "In the browser", [1])]
    assert world.why()[0] == "No route takes it, so it goes the built-in way: into the browser."


def test_a_group_whose_route_is_gone_tells_nothing() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    world.planner.rules = Rules()
    assert world.told(HOUR) == [] and world.planner.next_due() is None


# --- What hides alerts ---


def silence(ends_at: float, **changes: object) -> SilenceRule:
    matchers = [{"label": "agent", "operator": "=", "value": "agent 1"}]
    return replace(SilenceRule(3, matchers, T, T + ends_at, "bob", "Maintenance"), **changes)  # type: ignore[arg-type]


def test_a_silence_holds_an_alert_back_until_it_ends() -> None:
    world = Simulation(rules=Rules([route()], silences=[silence(HOUR)]))
    world.hear(0, 1)
    assert world.told(2 * HOUR) == [(HOUR, "firing", "Mail", [1])]
    assert world.suppressed() == [(30, "firing", "Mail", [1])]
    assert world.why(0)[-1].startswith("Silence #3 by bob hides it until 2026-")
    assert world.why(0)[-1].endswith("UTC: Maintenance")
    assert world.why()[-1] == "Something hid it until now."


def test_a_silence_hides_only_what_it_fits() -> None:
    world = Simulation(rules=Rules([route()], silences=[silence(HOUR)]))
    world.hear(0, 1)
    world.hear(0, 2)
    assert world.told(30) == [(30, "firing", "Mail", [2])]


def test_a_silence_that_was_ended_early_is_noticed_within_an_interval() -> None:
    world = Simulation(rules=Rules([route()], silences=[silence(10 * HOUR)]))
    world.hear(0, 1)
    world.run(100)
    world.planner.rules = Rules([route()])
    world.planner._hiding = None
    assert world.told(HOUR) == [(330, "firing", "Mail", [1])]


def test_a_silence_keeps_repetitions_back_but_not_that_it_resolved() -> None:
    world = Simulation(rules=Rules([route(repeat_s=HOUR)], silences=[silence(9 * HOUR, starts_at=T + 60)]))
    world.hear(0, 1)
    world.hear(3 * HOUR, 1, "resolved")
    assert world.told(9 * HOUR) == [(30, "firing", "Mail", [1]), (3 * HOUR, "resolved", "Mail", [1])]
    assert world.suppressed() == [(HOUR + 30, "repeat", "Mail", [1])]


def inhibition(**changes: object) -> Rules:
    rule = InhibitionRule(5, "Worse first", [CRITICAL], [WARNING], ("agent",))
    return Rules([route(group_by=("severity",))], inhibitions=[replace(rule, **changes)])  # type: ignore[arg-type]


def test_while_a_graver_alert_of_the_same_agent_fires_the_lesser_is_not_told() -> None:
    world = Simulation(rules=inhibition())
    world.hear(0, 1)
    world.hear(0, 2, labels=labels(1, severity="critical"))
    world.hear(0, 3)
    assert world.told(30) == [(30, "firing", "Mail", [2]), (30, "firing", "Mail", [3])]
    assert world.messages[-1].why[-1] == "Inhibition “Worse first” hides it while alert #2 fires."


def test_an_inhibited_alert_is_told_when_the_graver_one_has_resolved() -> None:
    world = Simulation(rules=inhibition())
    world.hear(0, 1)
    world.hear(0, 2, labels=labels(1, severity="critical"))
    world.hear(1_000, 2, "resolved")
    assert (1_230, "firing", "Mail", [1]) in world.told(HOUR)


def test_alerts_that_fit_both_sides_do_not_hide_each_other() -> None:
    world = Simulation(rules=inhibition(source=[], target=[], equal=()))
    world.hear(0, 1)
    world.hear(0, 2)
    assert world.told(30) == [(30, "firing", "Mail", [1, 2])]


def test_an_alert_without_the_equal_label_shares_it_with_others_without() -> None:
    world = Simulation(rules=inhibition(equal=("pool",)))
    world.hear(0, 1)
    world.hear(0, 2, labels=labels(2, severity="critical"))
    assert world.told(30) == [(30, "firing", "Mail", [2])]


# --- Acknowledgement ---


def test_an_acknowledged_alert_is_not_repeated_but_its_resolution_is_told() -> None:
    world = Simulation(route(repeat_s=HOUR))
    world.hear(0, 1)
    world.hear(100, 1, until=None)
    world.hear(5 * HOUR, 1, "resolved")
    assert world.told(9 * HOUR) == [(30, "firing", "Mail", [1]), (5 * HOUR, "resolved", "Mail", [1])]
    assert world.suppressed() == [(HOUR + 30, "repeat", "Mail", [1])]
    assert world.why(1)[-1] == "ada acknowledged it, so it is not told again."


def test_when_an_acknowledgement_ends_while_it_fires_people_are_reminded_once() -> None:
    world = Simulation(route(repeat_s=0))
    world.hear(0, 1)
    world.hear(100, 1, until=HOUR)
    assert world.told(9 * HOUR) == [(30, "firing", "Mail", [1]), (HOUR, "reminder", "Mail", [1])]
    assert world.why()[-1].startswith("The acknowledgement by ada ended at 2026-")


def test_a_second_acknowledgement_reminds_again() -> None:
    world = Simulation(route(repeat_s=0))
    world.hear(0, 1)
    world.hear(100, 1, until=HOUR)
    world.hear(2 * HOUR, 1, until=3 * HOUR)
    assert [told[:2] for told in world.told(9 * HOUR)][1:] == [(HOUR, "reminder"), (3 * HOUR, "reminder")]


def test_an_alert_acknowledged_before_it_was_told_is_told_when_that_ends() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    world.hear(10, 1, until=HOUR)
    assert world.told(2 * HOUR) == [(HOUR, "firing", "Mail", [1])]


# --- Escalation ---


def test_when_nobody_acknowledges_others_are_told_once() -> None:
    world = Simulation(route(escalate_after_s=900, escalate_to=(PAGER,)))
    world.hear(0, 1)
    assert world.told(3 * HOUR) == [(30, "firing", "Mail", [1]), (930, "escalation", "Pager", [1])]
    assert world.why()[-1] == "Nobody has acknowledged it 15 m after it was told."


def test_an_acknowledgement_stops_the_escalation() -> None:
    world = Simulation(route(escalate_after_s=900, escalate_to=(PAGER,)))
    world.hear(0, 1)
    world.hear(800, 1, until=None)
    assert [told[2] for told in world.told(3 * HOUR)] == ["Mail"]


def test_the_clock_of_the_escalation_begins_anew_with_a_reminder() -> None:
    world = Simulation(route(escalate_after_s=900, escalate_to=(PAGER,), repeat_s=0))
    world.hear(0, 1)
    world.hear(100, 1, until=HOUR)
    told = [told[:2] for told in world.told(3 * HOUR)]
    assert told == [(30, "firing"), (HOUR, "reminder"), (HOUR + 900, "escalation")]


def test_who_was_told_by_escalation_is_told_that_it_resolved() -> None:
    world = Simulation(route(escalate_after_s=900, escalate_to=(PAGER, MAIL)))
    world.hear(0, 1)
    world.hear(2_000, 1, "resolved")
    resolved = [told[2] for told in world.told(HOUR) if told[1] == "resolved"]
    assert resolved == ["Mail", "Pager"]


def test_who_was_not_told_hears_nothing_of_the_resolution() -> None:
    world = Simulation(route(escalate_after_s=900, escalate_to=(PAGER,)))
    world.hear(0, 1)
    world.hear(500, 1, "resolved")
    assert "Pager" not in [told[2] for told in world.told(HOUR)]


def test_escalation_does_not_put_the_repetition_off() -> None:
    world = Simulation(route(escalate_after_s=900, escalate_to=(PAGER,), repeat_s=HOUR))
    world.hear(0, 1)
    assert world.told(HOUR + 100)[-1] == (HOUR + 30, "repeat", "Mail", [1])


# --- Flapping ---


def flap(world: Simulation, since: int, times: int, step: int = 60) -> int:
    """The alert changes ``times`` times while it is flapping; returns when the last change was."""
    for number in range(times):
        world.hear(since + number * step, 1, "resolved" if number % 2 == 0 else "firing", flapping=True)
    return since + (times - 1) * step


def test_a_flapping_alert_is_told_as_one_digest_not_change_by_change() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    flap(world, 100, 31)
    assert world.told(HOUR) == [(30, "firing", "Mail", [1]), (330, "digest", "Mail", [1])]
    assert "It flaps" in world.why()[-1]
    assert world.messages[-1].folded == {1: 4}


def test_while_it_goes_on_flapping_there_is_a_digest_each_repeat_time() -> None:
    world = Simulation(route(repeat_s=HOUR))
    world.hear(0, 1)
    flap(world, 100, 120)
    kinds = [(at, kind) for at, kind, _, _ in world.told(2 * HOUR + 400)]
    assert kinds == [(30, "firing"), (330, "digest"), (HOUR + 330, "digest"), (2 * HOUR + 330, "digest")]


def test_after_flapping_what_it_came_to_is_told() -> None:
    world = Simulation(route())
    world.hear(0, 1)
    last = flap(world, 100, 11)
    world.hear(last + HOUR, 1, "resolved", flapping=False)
    assert world.told(9 * HOUR)[-1] == (last + HOUR, "resolved", "Mail", [1])
    assert world.planner.next_due() is None


def test_an_alert_that_stays_marked_as_flapping_ends_when_it_was_quiet_for_as_long_as_a_digest() -> None:
    world = Simulation(route(repeat_s=HOUR))
    world.hear(0, 1)
    flap(world, 100, 3)
    told = [(at, kind) for at, kind, _, _ in world.told(9 * HOUR)]
    assert told == [(30, "firing"), (330, "digest"), (HOUR + 330, "resolved")]
    assert world.planner.next_due() is None


def test_digests_come_at_most_every_four_hours_where_nothing_is_repeated() -> None:
    world = Simulation(route(repeat_s=0))
    world.hear(0, 1)
    flap(world, 100, 300)
    assert [told[:2] for told in world.told(5 * HOUR)] == [(30, "firing"), (330, "digest"), (4 * HOUR + 330, "digest")]


# --- What is kept between two looks ---


def test_a_planner_that_is_made_anew_at_every_step_says_the_same() -> None:
    """Groups are kept as JSON between two looks; nothing that matters may get lost."""
    rules = Rules(
        [route(escalate_after_s=900, escalate_to=(PAGER,), repeat_s=HOUR)],
        silences=[silence(2 * HOUR, starts_at=T + 5_000)],
    )
    story = [(0, 1, {}), (10, 2, {}), (700, 2, {"until": 4_000}), (5_100, 3, {}), (9_000, 1, {"status": "resolved"})]
    whole, again = Simulation(rules=rules), Simulation(rules=rules)
    for at, number, changes in story:
        whole.hear(at, number, **changes)
        _remake(again, at)
        again.hear(at, number, **changes)
        _remake(again, at)
    assert whole.told(6 * HOUR) == again.told(6 * HOUR)
    assert whole.suppressed() == again.suppressed()


def _remake(world: Simulation, at: float) -> None:
    world.run(at, inclusive=False)
    groups = []
    for group in world.planner._groups.values():
        kept = group.told()
        groups.append(replace(group, members=members_of(kept)))
        assert {str(number) for number in group.members} == set(kept)
    world.planner = Planner(world.planner.rules, world.facts.values(), groups)


def test_hearing_the_same_twice_changes_nothing() -> None:
    planner = Planner(Rules([route()]))
    fact = Fact(1, labels(1), "firing")
    planner.hear(T, fact)
    assert planner.next_due() == T + 30
    planner.due(T + 30)
    planner.changed.clear()
    planner.hear(T + 40, fact)
    assert not planner.changed


def test_two_routes_tell_each_to_its_own_channel_where_the_first_continues() -> None:
    first = route(continues=True)
    second = route(id=2, name="Second", channels=(ChannelRef(9, "Chat"),))
    world = Simulation(first, second)
    world.hear(0, 1)
    assert [told[2] for told in world.told(30)] == ["Mail", "Chat"]
    assert "continues" in world.why()[1]
