"""Which routes take an alert, and the path that says why."""

import pytest

from monitoring.notification.routing import BUILT_IN, RouteRule, Rules, takers, way_of
from tests.monitoring.notification.simulated import Simulation, labels, route

GRAVE = route(id=1, name="Grave", severities=frozenset({"critical"}))
BILLING = route(id=2, name="Billing", matchers=[{"label": "agent", "operator": "starts with", "value": "billing"}])
REST = route(id=3, name="Rest")


def test_the_first_route_that_fits_takes_it() -> None:
    way = way_of(Rules([GRAVE, BILLING, REST]), labels(1, agent="billing one"))
    assert [one.name for one in way.routes] == ["Billing"]
    assert way.path == (
        "Route “Grave” passes it on: it is for critical only, and this is warning.",
        "Route “Billing” takes it: it is for agent starts with billing.",
    )


def test_severity_and_matchers_must_both_fit() -> None:
    both = route(id=4, name="Both", severities=frozenset({"warning"}), matchers=BILLING.matchers)
    way = way_of(Rules([both]), labels(1))
    assert way.routes == (BUILT_IN,)
    assert way.path[0] == "Route “Both” passes it on: it is for alerts whose agent starts with billing."
    assert both.fit() == "warning, agent starts with billing"


def test_a_route_that_continues_has_the_others_asked_as_well() -> None:
    first = route(id=5, name="Log", continues=True)
    way = way_of(Rules([first, GRAVE, REST]), labels(1))
    assert [one.name for one in way.routes] == ["Log", "Rest"]
    assert "Route “Log” continues, so the routes after it are asked as well." in way.path


@pytest.mark.parametrize("severity", ["warning", "critical"])
@pytest.mark.parametrize("agent", ["billing one", "other"])
@pytest.mark.parametrize("order", [[GRAVE, BILLING, REST], [route(continues=True), GRAVE], [GRAVE], []])
def test_with_and_without_words_the_same_routes_are_found(severity: str, agent: str, order: list[RouteRule]) -> None:
    given = labels(1, severity=severity, agent=agent)
    assert takers(Rules(order), given) == list(way_of(Rules(order), given).routes)


def test_what_no_route_takes_goes_the_built_in_way() -> None:
    way = way_of(Rules([GRAVE]), labels(1))
    assert way.routes == (BUILT_IN,)
    assert way.path[-1] == "No route takes it, so it goes the built-in way: into the browser."


def test_a_label_that_an_alert_does_not_have_groups_as_empty() -> None:
    assert route(group_by=("pool", "agent")).key(labels(1)) == '{"agent":"agent 1","pool":""}'
    assert route().key(labels(1)) == "{}"


def test_of_many_routes_asked_in_vain_a_message_names_the_last() -> None:
    others = [route(id=number, name=f"Other {number}", severities=frozenset({"info"})) for number in range(10, 30)]
    world = Simulation(*others, REST)
    world.hear(0, 1)
    world.run(30)
    why = world.why()
    assert why[0] == "14 routes before these pass it on."
    assert why[6].startswith("Route “Other 29” passes it on")
    assert why[7] == "Route “Rest” takes it: it is for every alert."
    assert len(why) == 9


def test_a_message_of_many_says_what_they_share() -> None:
    world = Simulation(route(group_by=("threshold", "severity")))
    world.hear(0, 1)
    world.hear(0, 2)
    world.run(30)
    assert "Alerts with the same threshold and severity are told of together: 2 of them." in world.why()


def test_an_alert_whose_route_no_longer_takes_it_is_not_told_there() -> None:
    world = Simulation(REST)
    world.hear(0, 1)
    world.planner.rules = Rules([GRAVE])
    world.run(9_000)
    assert world.messages == [] and world.planner.next_due() is None


def test_who_was_told_by_a_route_that_no_longer_takes_it_is_told_that_it_resolved() -> None:
    world = Simulation(REST)
    world.hear(0, 1)
    world.run(30)
    world.planner.rules = Rules([route(id=3, name="Rest", severities=frozenset({"critical"}))])
    world.hear(20_000, 1, "resolved")
    assert [told[:2] for told in world.told(30_000)] == [(30, "firing"), (20_000, "resolved")]
    assert world.why()[0] == "It came here by route “Rest”, as that was then."
