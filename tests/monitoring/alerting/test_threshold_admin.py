"""Thresholds in the admin: looked at, and switched through their verbs."""

import pytest

from monitoring.alerting import thresholds
from monitoring.models import Threshold
from orchestra.kernel.access import Actor
from orchestra.kernel.models import Event

pytestmark = pytest.mark.django_db
URL = "/admin/monitoring/threshold/"


@pytest.fixture
def slow(db):
    return thresholds.create({"name": "Slow", "metric": "response_time", "value": 5}, by=Actor.system("test"))


def test_they_are_listed_with_their_limit_and_shown_with_their_versions(as_, admin_user, slow):
    browser = as_(admin_user)

    assert "above 5 s for 1 m" in browser.get(URL).content.decode()
    assert browser.get(f"{URL}{slow.pk}/change/").status_code == 200
    assert browser.get("/admin/monitoring/thresholdversion/").status_code == 200


def test_an_action_goes_through_the_verb(as_, admin_user, slow):
    browser = as_(admin_user)

    for action in ("disable", "enable"):
        browser.post(URL, {"action": action, "_selected_action": [slow.pk]})

    told = Event.objects.filter(target_kind="threshold").order_by("number").values_list("action", flat=True)
    assert list(told) == ["ThresholdAdded", "ThresholdDisabled", "ThresholdEnabled"]


def test_they_are_not_changed_past_the_verbs(as_, admin_user, slow):
    browser = as_(admin_user)

    assert browser.get(f"{URL}add/").status_code == 403
    assert browser.post(f"{URL}{slow.pk}/change/", {"value": "1"}).status_code == 403
    assert browser.post(f"{URL}{slow.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Threshold.objects.get().value == 5
