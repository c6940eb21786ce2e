"""Groups in time where two things meet: two kinds that are hidden, a digest beside news, a channel that was off."""

from monitoring.notification.groups import Group, members_of
from monitoring.notification.routing import ChannelRef, Rules
from tests.monitoring.notification.simulated import PAGER, Simulation, T, labels, route
from tests.monitoring.notification.test_planning import HOUR, flap, silence


def test_a_silence_that_hides_two_kinds_is_written_down_once_for_each() -> None:
    rules = Rules(
        [route(repeat_s=HOUR, escalate_after_s=900, escalate_to=(PAGER,))],
        silences=[silence(9 * HOUR, starts_at=T + 60)],
    )
    world = Simulation(rules=rules)
    world.hear(0, 1)
    world.run(8 * HOUR)
    assert [told[1:] for told in world.suppressed()] == [("escalation", "Pager", [1]), ("repeat", "Mail", [1])]


def test_what_is_told_when_an_acknowledgement_ends_is_not_followed_by_a_reminder_of_it() -> None:
    world = Simulation(route(escalate_after_s=900, escalate_to=(PAGER,), repeat_s=0))
    world.hear(0, 1)
    world.hear(10, 1, until=HOUR)
    assert world.told(9 * HOUR) == [(HOUR, "firing", "Mail", [1]), (HOUR + 900, "escalation", "Pager", [1])]


def test_a_digest_that_is_due_within_the_interval_of_other_news_comes_after_it() -> None:
    world = Simulation(route(repeat_s=0))
    end = flap(world, 0, 10)
    digest = world.told(end + 60)[-1][0]
    world.hear(digest + 4 * HOUR - 60, 2)
    assert [told[:2] for told in world.told(digest + 5 * HOUR)[-2:]] == [
        (digest + 4 * HOUR - 60, "firing"),
        (digest + 4 * HOUR + 240, "digest"),
    ]


def test_what_fired_while_the_channel_was_off_is_repeated_once_it_is_on() -> None:
    world = Simulation(route(channels=(ChannelRef(1, "Mail", enabled=False),), repeat_s=HOUR))
    world.hear(0, 1)
    world.run(60)
    world.planner.rules = Rules([route(repeat_s=HOUR)])
    assert world.told(2 * HOUR) == [(HOUR + 30, "repeat", "Mail", [1])]


def test_two_that_fill_a_group_at_once_both_have_their_alerts_in_it() -> None:
    mine, other = Group(1, "{}", {}, T + 5), Group(1, "{}", {}, T)
    mine.members, mine.due_at = members_of({"1": {}}), T + 35
    other.members, other.due_at = members_of({"2": {}}), T + 30
    mine.join(other)
    assert (sorted(mine.members), mine.opened_at, mine.due_at) == ([1, 2], T, T + 30)


def test_an_alert_stays_in_its_group_when_its_labels_change() -> None:
    world = Simulation(route(group_by=("threshold",)))
    world.hear(0, 1)
    world.hear(HOUR, 1, "no_data", labels=labels(1, threshold="Slower"))
    world.hear(2 * HOUR, 1, "resolved")
    assert [told[1] for told in world.told(3 * HOUR)] == ["firing", "no_data", "resolved"]
