"""What people do to a run from its page. A form with faults comes back on the page that it was sent from."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode

from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import carried_out, done, page
from workflows import control, engine, run_page
from workflows.definition import undone_by
from workflows.definitions import parsed
from workflows.models import Run
from workflows.run_forms import AnswerForm, PriorityForm, SignalForm

MAX_REASON = 1000


@page("POST")
def cancel(request: PageRequest, pk: int) -> HttpResponse:
    run = control.cancel(pk, by=request.actor, reason=_reason(request))
    said = "is being undone, then it is cancelled" if run.status == "compensating" else "is cancelled"
    return done(request, "run", f"Run #{pk} {said}.", pk)


@page("POST")
def pause(request: PageRequest, pk: int) -> HttpResponse:
    control.pause(pk, by=request.actor, reason=_reason(request))
    return done(request, "run", f"Run #{pk} is paused; calls in flight end.", pk)


@page("POST")
def resume(request: PageRequest, pk: int) -> HttpResponse:
    control.resume(pk, by=request.actor, reason=_reason(request))
    return done(request, "run", f"Run #{pk} goes on.", pk)


@page("POST")
def retry(request: PageRequest, pk: int) -> HttpResponse:
    """All of the run again, or from the step that the form names."""
    step = request.POST.get("from_step", "")
    control.retry(pk, by=request.actor, from_step=step, reason=_reason(request))
    return done(request, _at_step(pk, step), f"Run #{pk} goes on from {step}." if step else f"Run #{pk} begins again.")


@page("GET", "POST", permission="runs.signal")
def signal(request: PageRequest, pk: int) -> HttpResponse:
    form = SignalForm(request.POST or None)

    def send() -> Run:
        said = form.cleaned_data
        return engine.signal(pk, said["name"], said["payload"], by=request.actor, reason=said["reason"])

    return _sent(request, pk, {"signal_form": form}, send, lambda: f"The signal {form.cleaned_data['name']} was sent.")


@page("GET", "POST", permission="runs.prioritise")
def prioritise(request: PageRequest, pk: int) -> HttpResponse:
    form = PriorityForm(request.POST or None)

    def change() -> Run:
        said = form.cleaned_data
        return control.prioritise(pk, said["priority"], by=request.actor, reason=said["reason"])

    return _sent(
        request, pk, {"priority_form": form}, change, lambda: f"The priority is {form.cleaned_data['priority']} now."
    )


@page("GET", "POST")
def answer(request: PageRequest, pk: int) -> HttpResponse:
    """A person's answer to a step; by GET the page of its run with the form."""
    run_id, name = run_page.found_step(pk)
    run = run_page.found(run_id)
    spec = parsed([run.version_id])[run.version_id].step(name)
    form = AnswerForm.of_step(spec, request.POST or None)
    if form.is_valid():
        said = form.cleaned_data["reason"]

        def verb() -> bool:
            engine.answer(pk, form.value(), by=request.actor, reason=said)
            return True

        if form.carried_out(verb):
            return done(request, _at_step(run_id, name), f"{name} is answered.")
    status = 422 if form.is_bound else 200
    return run_page.render(request, run, step=name, status=status, forms={"answer_form": form})


@page("POST")
def cancel_step(request: PageRequest, pk: int) -> HttpResponse:
    run_id, name = run_page.found_step(pk)
    control.cancel_step(pk, by=request.actor, reason=_reason(request))
    return done(request, _at_step(run_id, name), f"{name} is cancelled; its run goes on.")


@page("POST")
def give_up_undoing(request: PageRequest, pk: int) -> HttpResponse:
    run_id, name = run_page.found_step(pk)
    control.give_up_undoing(pk, by=request.actor, reason=_reason(request))
    step = undone_by(name)
    return done(request, _at_step(run_id, step), f"{step} is not undone; settle it by hand, or try again later.")


@page("POST")
def requeue(request: PageRequest, pk: int) -> HttpResponse:
    run_id, name = run_page.found_step(pk)
    control.requeue(pk, by=request.actor, reason=_reason(request))
    return done(request, _at_step(run_id, name), f"{name} is tried again.")


def _sent(
    request: PageRequest, pk: int, sent: dict[str, forms.Form], verb: Callable[[], Run], said: Callable[[], str]
) -> HttpResponse:
    """Do what a form of the run's page asks for, or show the page with the form's faults in its dialog."""
    form: Any = next(iter(sent.values()))
    if form.is_valid() and carried_out(form, verb) is not None:
        return done(request, "run", said(), pk)
    if not form.is_bound:  # reloaded after a fault: the page as it is
        return run_page.render(request, run_page.found(pk))
    return run_page.render(request, run_page.found(pk), status=422, forms=sent)


def _reason(request: PageRequest) -> str:
    return request.POST.get("reason", "")[:MAX_REASON]


def _at_step(pk: int, step: str) -> str:
    address = reverse("run", args=[pk])
    return f"{address}?{urlencode({'step': step})}" if step else address
