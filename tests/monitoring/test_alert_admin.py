"""The admin of alerts and silences: seen and searched, silences ended through their verb."""

from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.models import Silence
from tests.audit import last_event
from tests.monitoring.alerts_made import alert, silence

pytestmark = pytest.mark.django_db


def text(response):
    return " ".join(response.content.decode().split())


def test_alerts_are_seen_and_not_changed(as_, admin_user):
    fires, browser = alert(), as_(admin_user)

    assert "Response over 5 s" in text(browser.get("/admin/monitoring/alert/?q=billing"))
    assert browser.get(f"/admin/monitoring/alert/{fires.pk}/change/").status_code == 200
    assert browser.post(f"/admin/monitoring/alert/{fires.pk}/change/", {"note": "x"}).status_code == 403
    assert browser.get("/admin/monitoring/alert/add/").status_code == 403


def test_silences_are_ended_by_their_verb_and_those_that_ended_are_told(as_, admin_user):
    now = timezone.now()
    lasts, over = silence(), silence(starts_at=now - timedelta(hours=2), ends_at=now - timedelta(hours=1))
    browser = as_(admin_user)
    assert "agent is billing-1" in text(browser.get("/admin/monitoring/silence/"))

    asked = {"action": "end_now", "_selected_action": [lasts.pk, over.pk]}
    answer = text(browser.post("/admin/monitoring/silence/", asked, follow=True))

    assert "1 ended." in answer and "This silence has ended" in answer
    assert Silence.objects.get(pk=lasts.pk).ended_by == admin_user.label
    assert last_event("SilenceEnded").detail.reason == "from the admin"
