"""Pages of workflows: the list, a version, two versions compared, and the editor of definitions."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from orchestra.kernel import access, fragments
from orchestra.kernel.errors import Conflict, FieldError, NotFound
from orchestra.kernel.inbound import PageRequest
from orchestra.kernel.pages import done, page
from workflows import (
    definition_help,
    definition_samples,
    definition_source,
    definitions,
    editing,
    graph,
    version_words,
    workflow_list,
)
from workflows.definition import Definition
from workflows.definition_forms import DefinitionForm
from workflows.editing import Finding, Reading
from workflows.models import Workflow, WorkflowVersion
from workflows.workflow_list import VersionList, WorkflowList

LIST_REGIONS = {"workflows": "workflows/parts/workflows.html"}
REGIONS = {
    "workflow-head": "workflows/parts/workflow_head.html",
    "workflow-versions": "workflows/parts/workflow_versions.html",
    "workflow-panels": "parts/panels.html",
}
SHOWN_VERSIONS = "20"
OFFERED_VERSIONS = 200
ICONS = {
    **graph.ICONS,
    "agent": "robot",
    "for_each": "list-details",
    "repeat": "refresh",
    "compensate": "arrow-back-up",
}
"""By kind of step, or of example in the editor."""
PUBLISHED = "#published"
"""The end of the address after publishing: the editor's draft in this browser is not needed any more."""


@page()
def workflows(request: PageRequest) -> HttpResponse:
    listing = WorkflowList(request.GET.dict())
    found = listing.page()
    recent: Any = SimpleLazyObject(lambda: workflow_list.recent_runs(timezone.now()))
    context = {
        "listing": listing,
        "recent": recent,
        "rows": SimpleLazyObject(lambda: workflow_list.rows_of(found.rows, recent)),
        "is_empty": not found.rows,
        "may_publish": access.can(request.user, "workflows.publish"),
        "previous_url": found.previous and listing.page_link(found.previous),
        "next_url": found.next and listing.page_link(found.next),
    }
    return fragments.render(request, "workflows/workflows.html", context, regions=LIST_REGIONS)


@page()
def workflow(request: PageRequest, name: str, number: int | None = None) -> HttpResponse:
    version = definitions.newest(name, number)
    parsed = definitions.parsed([version.pk])[version.pk]
    history = VersionList(_paging(request), workflow=name)
    shown = history.page()
    context = {
        "version": version,
        "definition": parsed,
        "steps": [(step, ICONS[step.kind]) for step in parsed.steps],
        "returns": list(parsed.output),  # a template would take a name such as items for a method
        "no_statuses": {},
        "source": lambda: definition_source.text_of(version.definition),
        "history": SimpleLazyObject(lambda: workflow_list.version_rows(shown.rows)),
        "may_publish": access.can(request.user, "workflows.publish"),
        "may_start": access.can(request.user, "runs.start") and not parsed.serves,
        "previous_url": shown.previous and history.page_link(shown.previous),
        "next_url": shown.next and history.page_link(shown.next),
        "panels": lambda: fragments.panels("workflow", version.workflow, request),
        "panels_id": "workflow-panels",
        "panel_topics": f"workflow:{version.workflow_id}",
        "panels_every": fragments.PANELS_EVERY_S,
    }
    return fragments.render(request, "workflows/workflow.html", context, regions=REGIONS)


@page()
def workflow_by_number(request: PageRequest, pk: int) -> HttpResponse:
    """A workflow's address by its id, for links from the audit trail."""
    name = Workflow.objects.filter(pk=pk).values_list("name", flat=True).first()
    if name is None:
        raise NotFound("There is no such workflow; it may have been removed, so go back to the list.")
    return HttpResponseRedirect(reverse("workflow", args=[name]))


@page()
def compare(request: PageRequest, name: str) -> HttpResponse:
    after = definitions.newest(name, _number(request, "to"))
    before = definitions.newest(name, _number(request, "from") or max(after.number - 1, 1))
    parsed = definitions.parsed([before.pk, after.pk])
    texts = [definition_source.text_of(version.definition) for version in (before, after)]
    numbers = after.workflow.versions.values_list("number", flat=True)
    context = {
        "workflow": after.workflow,
        "before": before,
        "after": after,
        "numbers": list(numbers[:OFFERED_VERSIONS]),
        "changes": [version_words.sentence(change) for change in definitions.compare(before, after)],
        "blocks": version_words.side_by_side(*texts),
        "graphs": [(version, parsed[version.pk]) for version in (before, after)],
        "no_statuses": {},
    }
    return render(request, "workflows/workflow_compare.html", context)


@page("GET", "POST", permission="workflows.publish")
def add(request: PageRequest) -> HttpResponse:
    form = DefinitionForm(request.POST or None, initial={"source": definition_samples.TEMPLATE, "upon": 0})
    return _editor(request, form, None)


@page("GET", "POST", permission="workflows.publish")
def edit(request: PageRequest, name: str) -> HttpResponse:
    newest = definitions.newest(name)
    source = definition_source.text_of(newest.definition)
    form = DefinitionForm(request.POST or None, initial={"source": source, "upon": newest.number})
    return _editor(request, form, newest)


@page("POST", permission="workflows.publish")
def check(request: PageRequest) -> HttpResponse:
    """What the editor shows beside a text while it is written."""
    reading = editing.read(request.POST.get("source", "").replace("\r\n", "\n"), request.POST.get("name", "")[:100])
    context = _said_of(reading)
    answer = {
        "findings": render_to_string("workflows/parts/editor_findings.html", context, request),
        "words": context["words"],
        "lines": sorted({finding.line for finding in reading.findings if finding.line}),
        "graph": render_to_string("workflows/parts/editor_graph.html", context, request) if reading.definition else "",
    }
    return JsonResponse(answer)


def _editor(request: PageRequest, form: DefinitionForm, newest: WorkflowVersion | None) -> HttpResponse:
    """The page of the editor; publishes what is posted, or says why not."""
    name = newest.workflow.name if newest else ""
    text = str(form["source"].value() or "").replace("\r\n", "\n")
    reading = editing.read(text, name)
    context = {"form": form, "name": name, "newest": newest, "upon": form["upon"].value()}
    status = 422 if form.is_bound else 200
    if form.is_valid() and reading.data is not None and reading.definition is not None:
        upon, reason = form.cleaned_data["upon"], form.cleaned_data["reason"]
        target = name or reading.definition.name
        try:
            version = definitions.revise(target, reading.data, upon=upon, by=request.actor, reason=reason)
        except Conflict as conflict:
            status = conflict.status
            if newest is None:
                message = f"There is a workflow {target} already; choose another name."
                taken: FieldError = {"path": "name", "message": message}
                reading = Reading(None, None, editing.findings(text, [taken]))
            else:
                context |= _overtaken(newest, upon)
        else:
            return done(request, reverse("workflow", args=[target]) + PUBLISHED, _published(version, upon))
    return _editor_page(request, context | _said_of(reading, form), status)


def _editor_page(request: HttpRequest, context: Mapping[str, Any], status: int) -> HttpResponse:
    samples = [(sample, ICONS[sample.kind]) for sample in definition_samples.SAMPLES]
    more = {"samples": samples, "help": definition_help.sections()}
    return render(request, "workflows/workflow_edit.html", {**context, **more}, status=status)


def _overtaken(newest: WorkflowVersion, upon: int) -> dict[str, Any]:
    """What somebody else published while this text was written, and the number to publish upon if it stays."""
    seen = newest.workflow.versions.filter(number=upon).first()
    changes = definitions.compare(seen, newest) if seen else []
    by = next((row.by for row in workflow_list.version_rows([newest])), "")
    return {
        "overtaken_by": newest,
        "overtaken_author": by,
        "overtaken": [version_words.sentence(change) for change in changes],
        "upon": newest.number,
        "seen": seen,
    }


def _published(version: WorkflowVersion, upon: int) -> str:
    if version.number == upon:
        return f"This is what version {upon} says already, so there is no new version."
    return f"Version {version.number} of {version.workflow.name} is published; new runs follow it."


def _said_of(reading: Reading, form: DefinitionForm | None = None) -> dict[str, Any]:
    """What is shown beside the text."""
    faults = reading.findings
    if form is not None:
        of_form = [str(message) for name in ("source", "upon") for message in form.errors.get(name, ())]
        faults = faults or tuple(Finding("", message, None) for message in of_form)
    words = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}" if faults else _praise(reading.definition)
    return {"findings": faults, "words": words, "definition": reading.definition, "no_statuses": {}}


def _praise(definition: Definition | None) -> str:
    count = len(definition.steps) if definition else 0
    return f"No fault, {count} step{'s' if count != 1 else ''}"


def _paging(request: HttpRequest) -> dict[str, str]:
    return {"limit": SHOWN_VERSIONS, "cursor": request.GET.get("cursor", "")}


def _number(request: HttpRequest, name: str) -> int | None:
    """A version's number in the address, if it is there; one that cannot be is not found."""
    text = request.GET.get(name, "")
    if text and not (text.isascii() and text.isdecimal() and 0 < int(text[:10]) < 2**31 and len(text) <= 10):
        raise NotFound("There is no such version; choose one of those offered.")
    return int(text) if text else None
